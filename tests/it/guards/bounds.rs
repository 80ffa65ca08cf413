//! Files and functions stay small, in tests as in code.

use super::architecture::{files, root};

/// Lines of a file that wants to be two.
const LINES_MAX: usize = 450;
/// Lines of a function, as clippy counts them: it does not look into stories.
const FUNCTION_LINES_MAX: usize = 70;

const OF_TESTS: [&str; 5] = ["tests/it", "tests/src", "tests/load/src", "tests/fuzz/src", "tests/samael/src"];

/// Stories that are long because what happens in them is. The list only shrinks.
const LONG_STORIES: [&str; 11] = [
    "tests/it/crash/deliveries.rs nothing_is_lost_or_doubled_around_each_delivery",
    "tests/it/folding.rs rows_that_became_one_name_are_kept_and_the_younger_are_listed",
    "tests/it/guards/isolation.rs furnish",
    "tests/it/operators.rs passwords_count_only_where_they_are_switched_on",
    "tests/it/scim/clients.rs entra_provisions_a_person_from_beginning_to_end",
    "tests/it/scim/filters.rs filters",
    "tests/it/scim/plans.rs what_identity_providers_ask_for_is_found_by_an_index",
    "tests/it/scim/protocol.rs types_are_checked_and_refusals_have_their_keyword",
    "tests/it/sso/keycloak.rs keycloak_signs_in_by_saml_signed_and_encrypted",
    "tests/it/sso/replicas.rs two_replicas_share_codes_sessions_replays_and_keys",
    "tests/load/src/events.rs reevaluate",
];

#[test]
fn files_stay_small_and_begin_with_a_sentence() {
    let mut sources = Vec::new();
    for folder in ["service", "entity", "migration"].into_iter().chain(OF_TESTS) {
        files(&root().join(folder), ".rs", &mut sources);
    }
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} begins without a sentence", path.display());
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

/// The functions of a file: name, and lines of code between its braces.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut all = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        let is_function = ["fn ", "async fn ", "pub ", "pub(crate) ", "pub(super) "]
            .iter()
            .any(|start| words.starts_with(start));
        let Some((_, rest)) = words.split_once("fn ").filter(|_| is_function) else { continue };
        let name = rest.split(['(', '<']).next().unwrap_or_default().to_owned();
        let end = format!("{}}}", " ".repeat(indent));
        let body = lines[at..].iter().skip_while(|line| !line.ends_with('{')).skip(1);
        let body = body.take_while(|line| **line != end).map(|line| line.trim());
        all.push((name, body.filter(|line| !line.is_empty() && !line.starts_with("//")).count()));
    }
    all
}

#[test]
fn functions_of_tests_stay_small() {
    let mut found = Vec::new();
    for folder in OF_TESTS {
        let mut sources = Vec::new();
        files(&root().join(folder), ".rs", &mut sources);
        for path in sources {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(root()).expect("below").to_string_lossy().into_owned();
            let long = functions(&text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
            found.extend(long.map(|(name, _)| format!("{file} {name}")));
        }
    }
    found.sort();
    assert_eq!(found, LONG_STORIES, "a function of more than {FUNCTION_LINES_MAX} lines wants to be two");
}
