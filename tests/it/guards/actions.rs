//! The inventory of what is audited: `actions.out` has every action that is recorded, and nothing else.

use super::rules::sources;

/// What records an action.
const RECORDS: [&str; 7] = [
    "record(",
    "record_for(",
    "record_refused(",
    "record_denied(",
    "recorded(",
    "record_event::<",
    "record_update(",
];

fn listed() -> Vec<&'static str> {
    tests::ACTIONS.lines().collect()
}

/// Texts like `user.create` in a call: `text` begins behind its parenthesis.
fn actions(text: &str) -> Vec<&str> {
    let mut depth = 1;
    let end = text.find(|letter| {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let call = &text[..end.unwrap_or(text.len())];
    let is_action = |text: &&str| {
        let words = text.split_once('.');
        let fits =
            |word: &str| !word.is_empty() && word.chars().all(|one| one.is_ascii_lowercase() || one == '_');
        words.is_some_and(|(noun, verb)| fits(noun) && fits(verb))
    };
    call.split('"').skip(1).step_by(2).filter(is_action).collect()
}

#[test]
fn every_action_that_is_recorded_is_listed() {
    let listed = listed();
    for (file, text) in sources("service") {
        for name in RECORDS {
            for (at, _) in text.match_indices(name) {
                let (_, arguments) = text[at..].split_once('(').expect("a call");
                for action in actions(arguments) {
                    assert!(
                        listed.contains(&action),
                        "{file}: {action} is not in tests/it/guards/actions.out"
                    );
                }
            }
        }
    }
}

#[test]
fn every_action_that_is_listed_is_recorded_somewhere() {
    let listed = listed();
    assert!(listed.is_sorted(), "tests/it/guards/actions.out is sorted");
    let all: String = sources("service").into_iter().map(|(_, text)| text).collect();
    for action in listed {
        assert!(all.contains(&format!("\"{action}\"")), "{action} is recorded nowhere any more");
    }
}
