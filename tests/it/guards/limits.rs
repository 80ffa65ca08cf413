//! LIMITS.md is true: each line says what holds in sum, where it stands, and which test shows it; no bound stands in the
//! sources without a line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names of constants that are bounds.
const BOUNDS: [&str; 8] =
    ["_MAX", "_AT_ONCE", "LIFETIME", "_PER_", "RETENTION", "_TTL", "_TIMEOUT", "LIFETIME_SECONDS"];

/// Constants with such a name that need no line, each with the reason. A new one has to give one.
const NOT_IN_THE_TABLE: [(&str, &str, &str); 32] = [
    ("azure/src/manager.rs", "PAGES_MAX", "pages of an operator's list of orphans"),
    ("azure/src/template.rs", "NAME_MAX", "Azure's own bound of a name"),
    ("backends/src/keycloak/admin.rs", "LIFETIME", "what is assumed where Keycloak doesn't say"),
    ("directory/src/store/changes.rs", "IDS_MAX", "how a long change is cut into rows, not how long it is"),
    (
        "directory/src/store/members.rs",
        "IDS_MAX",
        "how a long list is cut into statements, not how long it is",
    ),
    (
        "directory/src/store/members.rs",
        "LEVELS_MAX",
        "ends a question about a circle, of which there is none",
    ),
    ("directory/src/store/users.rs", "IDENTITIES_MAX", "read at once; a person has one a provider"),
    (
        "directory/src/store/users.rs",
        "NOTIFIED_ADMINS_MAX",
        "admins who are notified of one thing, of those that there are",
    ),
    ("identity_core/src/domain.rs", "DOMAIN_MAX", "what RFC 1035 says of a domain"),
    ("identity_core/src/domain.rs", "LABEL_MAX", "what RFC 1035 says of a label"),
    ("identity_core/src/fold.rs", "ROUNDS_MAX", "how often one text is folded, which has its own bound"),
    ("json_core/src/lib.rs", "ENTRY_MEMBERS_MAX", "how an entry is told from a resource"),
    ("mail/src/http.rs", "SHOWN_MAX", "one page of a developer's mailbox"),
    ("platform/src/http/calls.rs", "PATH_MAX", "how much of a path is shown"),
    ("platform/src/http/failure.rs", "MESSAGE_MAX", "how much of a message is shown"),
    ("platform/src/http/tokens.rs", "TOKENS_MAX", "tokens of the operator's own backends, a few in all"),
    ("platform/src/store/integrity.rs", "FINDING_MAX", "how much of a finding is shown"),
    ("platform/src/tx/changed.rs", "SHOWN_MAX", "how much of a changed value a record shows"),
    (
        "platform/src/tx/inserts.rs",
        "PARAMETERS_MAX",
        "how many rows go into one statement, not how many there are",
    ),
    (
        "platform/src/tx/inserts.rs",
        "TOGETHER_MAX",
        "how many rows go into one statement, not how many there are",
    ),
    ("provisioning/src/http.rs", "RESUMED_MAX", "how often one request looks; nothing adds up"),
    ("provisioning/src/http.rs", "WAIT_MAX", "shorter than the time for a handler, which has a line"),
    ("provisioning/src/steps/recycle.rs", "POLL_MAX", "how often one run looks; nothing adds up"),
    ("saml_core/src/refusal.rs", "SHOWN_MAX", "how much of a foreign value is shown"),
    ("scim/src/http/guard.rs", "WINDOW_SECONDS_MAX", "the longest window of one setting; nothing adds up"),
    ("sessions/src/browser.rs", "LISTED_MAX", "one page of a person's sessions"),
    ("src/cli/key.rs", "SHOWN_MAX", "one page at a terminal"),
    ("src/cli/tenant.rs", "SHOWN_MAX", "one page at a terminal"),
    ("src/tenant_maker.rs", "READABLE_MAX", "the readable part of a slug, which has its own bound"),
    ("oidc_provider/src/http/sign_out.rs", "AFTERWARDS_BYTES_MAX", "what a browser's cookie can hold"),
    ("connections/src/refusal.rs", "SHOWN_MAX", "how much of a foreign value is shown"),
    ("webhooks/src/http/deliveries.rs", "ATTEMPTS_SHOWN_MAX", "one page of a delivery's log"),
];

struct Line {
    what: String,
    bound: String,
    sum: String,
    place: String,
    test: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a root").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table() -> Vec<Line> {
    let text = read(&root().join("LIMITS.md"));
    let rows: Vec<Vec<String>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let (head, rows) = rows.split_first().expect("a table");
    assert_eq!(head.join(" "), "what bound sum where test");
    let line = |cells: &Vec<String>| match cells.as_slice() {
        [what, bound, sum, place, test] => Line {
            what: what.clone(),
            bound: bound.clone(),
            sum: sum.clone(),
            place: place.clone(),
            test: test.clone(),
        },
        other => panic!("a line of LIMITS.md has {} cells: {other:?}", other.len()),
    };
    rows.iter().map(line).collect()
}

/// The words in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn spread(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let (inside, after) = rest.split_once('}').unwrap_or_else(|| panic!("{text} lacks a brace"));
    inside.split(',').flat_map(|one| spread(&format!("{before}{one}{after}"))).collect()
}

/// Where a path of the table is: crates are named without the folder that they are in.
fn resolve(path: &str) -> Option<PathBuf> {
    ["", "service", "service/core", "service/capability"]
        .iter()
        .map(|folder| root().join(folder).join(path))
        .find(|path| path.is_file())
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let skip = ["target", "node_modules", "benches"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !skip {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn all(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        sources(&root().join(folder), &mut found);
    }
    found
}

/// The body of a function, from its name to its closing brace.
fn body<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("fn {name}("))?;
    let indent = text[..start].rsplit('\n').next()?.chars().take_while(|c| *c == ' ').count();
    let rest = &text[start..];
    let end = rest.find(&format!("\n{}}}", " ".repeat(indent))).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// The figures of a text, without what groups their digits.
fn figures(text: &str) -> Vec<String> {
    let bytes: Vec<char> = text.chars().collect();
    let grouped = |at: usize| {
        matches!(bytes[at], ',' | '_')
            && at > 0
            && bytes[at - 1].is_ascii_digit()
            && bytes.get(at + 1).is_some_and(char::is_ascii_digit)
    };
    let plain: String = (0..bytes.len()).filter(|at| !grouped(*at)).map(|at| bytes[at]).collect();
    plain
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// A figure, and those just before and behind it: where a test tries.
fn beside(figure: &str) -> Vec<String> {
    let number: u64 = figure.parse().unwrap_or_default();
    [number, number + 1, number.saturating_sub(1)].iter().map(ToString::to_string).collect()
}

/// The constants of a text whose names are those of bounds.
fn bounds(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let named = code.lines().filter_map(|line| {
        let (before, rest) = line.split_once("const ")?;
        let (name, _) = rest.split_once(':')?;
        let is_item = before.trim().is_empty() || before.trim().starts_with("pub");
        let is_bound = BOUNDS.iter().any(|ending| name.ends_with(ending) || name.contains("_PER_"));
        (is_item && is_bound).then(|| name.to_owned())
    });
    named.collect()
}

#[test]
fn every_line_says_what_holds_in_sum() {
    for line in table() {
        assert!(!line.sum.is_empty() && !line.bound.is_empty(), "{}: a cell is empty", line.what);
        assert!(!line.sum.contains("open"), "{}: what holds in sum is open", line.what);
        if let Some(reason) = line.sum.strip_prefix('–') {
            assert!(reason.split_whitespace().count() >= 4, "{}: no sum, and no reason in words", line.what);
        }
    }
}

#[test]
fn every_line_stands_where_it_says() {
    let defaults = read(&root().join("service/config.default.toml"));
    let is_setting = |name: &str| {
        let (section, key) = name.rsplit_once('.').unwrap_or((name, ""));
        let Some((_, rest)) = defaults.split_once(&format!("\n[{section}]\n")) else { return false };
        let own = rest.split("\n[").next().unwrap_or_default();
        key == "*" || key.is_empty() || own.lines().any(|line| line.split(" =").next() == Some(key))
    };
    for line in table() {
        assert!(!line.place.is_empty(), "{}: nowhere", line.what);
        for place in quoted(&line.place).iter().flat_map(|place| spread(place)) {
            let there = match place.strip_prefix('[').and_then(|place| place.strip_suffix(']')) {
                Some(section) => is_setting(section),
                None if place.ends_with(".rs") => resolve(&place).is_some(),
                None => is_setting(&place.replace(".provisioning_*", ".*")),
            };
            assert!(there, "{}: {place} is neither a file nor a setting", line.what);
        }
    }
}

#[test]
fn every_line_has_a_test_that_knows_its_figures() {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in all(&["tests/it", "service"]) {
        // The tests of a module that has a folder are called as it is.
        let named = if path.ends_with("tests.rs") { path.parent().unwrap_or(&path) } else { &path };
        let name = named.file_stem().expect("a name").to_string_lossy().into_owned();
        by_name.entry(name).or_default().push(read(&path));
    }
    let mut wrong = Vec::new();
    for line in table() {
        let tests = quoted(&line.test);
        if tests.is_empty() {
            wrong.push(format!("{}: no test", line.what));
        }
        let places = quoted(&line.place);
        let constants: Vec<String> = places
            .iter()
            .flat_map(|place| spread(place))
            .filter_map(|place| resolve(&place))
            .flat_map(|path| bounds(&read(&path)))
            .collect();
        let numbers = figures(&line.bound);
        let mut known = false;
        for test in &tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test} names no file"));
            let texts = by_name.get(file).map(Vec::as_slice).unwrap_or_default();
            match texts.iter().find(|text| body(text, name).is_some()) {
                None => wrong.push(format!("{}: there is no test {test}", line.what)),
                Some(text) => {
                    let there = figures(text);
                    known |= numbers
                        .iter()
                        .flat_map(|number| beside(number))
                        .any(|number| there.contains(&number));
                    known |= constants.iter().any(|constant| text.contains(constant));
                }
            }
        }
        if !tests.is_empty() && !known {
            wrong.push(format!("{}: {tests:?} know none of its figures {numbers:?}", line.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_bound_of_the_sources_has_a_line() {
    let lines = table();
    let covered: Vec<PathBuf> = lines
        .iter()
        .flat_map(|line| quoted(&line.place))
        .flat_map(|place| spread(&place))
        .filter_map(|place| resolve(&place))
        .collect();
    let mut excused: Vec<(&str, &str)> =
        NOT_IN_THE_TABLE.iter().map(|(file, name, _)| (*file, *name)).collect();
    let mut missing = Vec::new();
    for path in all(&["service"]) {
        let file = path.strip_prefix(root().join("service")).expect("a path").to_string_lossy().into_owned();
        let file = file.trim_start_matches("capability/").trim_start_matches("core/").to_owned();
        for name in bounds(&read(&path)) {
            let before = excused.len();
            excused.retain(|(place, constant)| !(*place == file && *constant == name));
            if before == excused.len() && !covered.contains(&path) {
                missing.push(format!("{file} {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in LIMITS.md:\n{}", missing.join("\n"));
    assert!(excused.is_empty(), "excused for nothing: {excused:?}");
    assert!(NOT_IN_THE_TABLE.iter().all(|(_, _, reason)| reason.split_whitespace().count() >= 3));
}
