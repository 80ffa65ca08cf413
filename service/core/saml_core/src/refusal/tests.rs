//! Refusals name their reason by a word of its own, and show what was received, cut and without control characters.

use super::*;

#[test]
fn every_reason_has_a_word_and_a_sentence_of_its_own() {
    let mut words = std::collections::BTreeSet::new();
    for &reason in Reason::ALL {
        let (name, meaning) = (reason.name(), reason.meaning());
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && words.insert(name), "{name}");
        assert!(meaning.ends_with('.') && words.insert(meaning), "{meaning}");
        assert_eq!(Refusal::new(reason).to_string(), meaning);
    }
    assert_eq!(words.len(), 2 * 32);
    assert_eq!((Reason::ALL[0], Reason::ALL[31]), (Reason::XmlRefused, Reason::EncodingWrong));
}

#[test]
fn what_was_received_is_cut_and_cleaned() {
    for (what, received, expected) in [
        ("nothing", String::new(), String::new()),
        ("text", "<a> é".to_owned(), "<a> é".to_owned()),
        ("control characters", "a\u{0}\n\u{1b}[1mb\u{85}".to_owned(), "a[1mb".to_owned()),
        ("the longest", "ä".repeat(300), "ä".repeat(300)),
        ("one more", "ä".repeat(301), "ä".repeat(300)),
        ("one more that isn't shown", format!("\n{}", "ä".repeat(300)), "ä".repeat(300)),
    ] {
        assert_eq!(Refusal::new(Reason::Missing).got(received).got, Some(expected), "{what}");
    }
}

#[test]
fn a_refusal_says_what_is_known() {
    let bare = Refusal::new(Reason::Expired);
    assert_eq!((bare.reason, &bare.expected, &bare.got), (Reason::Expired, &None, &None));
    let full = bare.expected("a\nb").got("c\nd");
    assert_eq!((full.expected.as_deref(), full.got.as_deref()), (Some("a\nb"), Some("cd")));
}
