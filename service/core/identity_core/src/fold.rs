//! Names and addresses as they are compared.

use std::fmt;

use icu_casemap::CaseMapper;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_normalization::UnicodeNormalization as _;

use crate::domain;

/// Rounds after which folding has come to rest; one is enough for nearly every text.
const ROUNDS_MAX: usize = 4;
/// Stands in the key of a row whose name another row had first: no text that is folded can hold it, see [`check`](crate::check).
pub const SHADOW: char = '\u{1f}';

/// The key of a name or an address: two are the same if their keys are, byte for byte.
///
/// Without white space at its ends, in compatibility form with full case folding and without characters that show nothing
/// (Unicode's `toNFKC_Casefold`): `ß` and `SS`, `ﬁ` and `fi`, `ς` and `Σ` are one. The domain of an address is folded as domains are
/// (UTS 46), where `straße` and `strasse` are two, and written with its Unicode labels, so that a part of it can be searched for.
pub fn fold(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() && !has_a_label(text) {
        return text.to_ascii_lowercase();
    }
    let text: String = text.nfkc().collect();
    if let Some((local, host)) = text.rsplit_once('@')
        && let Some(ascii) = domain(host.trim_end())
    {
        return format!("{}@{}", caseless(local).trim_start(), idna::domain_to_unicode(&ascii).0);
    }
    caseless(&text).trim().to_owned()
}

/// Part of a text, as it is looked for in a folded one: white space at its ends counts, and a piece of a domain is no domain.
pub fn fold_within(part: &str) -> String {
    if part.is_ascii() { part.to_ascii_lowercase() } else { caseless(part) }
}

/// Whether a part of the text may be a label in ASCII of a name that isn't.
fn has_a_label(text: &str) -> bool {
    text.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"xn--"))
}

fn caseless(text: &str) -> String {
    let case = CaseMapper::new();
    let shows_nothing = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let mut now = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let decomposed: String = now.nfkd().filter(|one| !shows_nothing.contains(*one)).collect();
        let next: String = case.fold_string(&decomposed).nfkc().collect();
        if next == now {
            break;
        }
        now = next;
    }
    now
}

/// The key of a row whose folded name another, older row has: it is kept, found by its id, and found by its name no more.
pub fn shadow(key: &str, id: impl fmt::Display) -> String {
    format!("{key}{SHADOW}{id}")
}

/// The name that a row would have, if its key is a [`shadow`].
pub fn shadowed(key: &str) -> Option<&str> {
    key.split_once(SHADOW).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check;

    /// Spellings of one name each.
    const SAME: [&[&str]; 12] = [
        &["ann", "Ann", "ANN", " ann ", "ann\u{a0}", "ａｎｎ", "a\u{200b}nn", "\u{feff}ann", "a\u{ad}nn"],
        &["straße", "STRASSE", "Strasse", "straẞe"],
        &["ß", "ẞ", "SS", "ss", "sS"],
        &["ﬁn", "fin", "FIN"],
        &["ς", "Σ", "σ"],
        &["ΐ", "\u{3b9}\u{308}\u{301}", "Ϊ\u{301}"],
        &["zoë", "ZOE\u{308}", "zoe\u{308}"],
        &["ⅷ", "viii", "Ⅷ"],
        &["①", "1"],
        &["ꭰ", "Ꭰ"],
        &[
            "x@bücher.example",
            "X@BÜCHER.example",
            "x@xn--bcher-kva.example",
            "ｘ＠bücher.example",
            "x@bu\u{308}cher。example",
        ],
        &["straße@acme.example", "STRASSE@ACME.EXAMPLE"],
    ];
    /// Pairs that stay two.
    const TWO: [(&str, &str); 12] = [
        ("ann", "anna"),
        ("ann+a@x.example", "ann@x.example"),
        ("a.nn@x.example", "ann@x.example"),
        ("x@straße.example", "x@strasse.example"),
        ("an n", "ann"),
        // Only white space at the ends counts for nothing, and " acme.example" is no host.
        ("x@ acme.example", "x@acme.example"),
        ("é@ acme.example", "é@acme.example"),
        ("x@ bücher.example", "x@bücher.example"),
        // Look alike, and are letters of two scripts: what to do about that is somebody's decision, not a comparison's.
        ("а", "a"),
        ("ı", "i"),
        ("é", "e"),
        ("user", "user\u{1f}1"),
    ];

    #[test]
    fn a_name_is_the_same_however_it_is_typed() {
        for spellings in SAME {
            let key = fold(spellings[0]);
            for spelling in spellings {
                assert_eq!(fold(spelling), key, "{spelling:?}");
            }
        }
        for (one, other) in TWO {
            assert_ne!(fold(one), fold(other), "{one:?}");
        }
        assert_eq!(fold("Ann@X"), "ann@x");
        assert_eq!(fold("x@XN--bcher-kva.example"), "x@bücher.example");
    }

    #[test]
    fn a_part_is_found_in_what_is_folded() {
        for (part, whole) in [
            ("BÜCHER", "x@xn--bcher-kva.example"),
            ("@bücher.ex", "X@Bücher.example"),
            ("n L", "Ann Lee"),
            ("STRASSE", "Hauptstraße 7"),
        ] {
            assert!(fold(whole).contains(&fold_within(part)), "{part}");
        }
        assert_eq!(fold_within(" A "), " a ");
    }

    #[test]
    fn a_shadow_is_nobody_elses_key() {
        let key = shadow(&fold("ß"), 7);
        assert_eq!(shadowed(&key), Some("ss"));
        assert_eq!(shadowed("ss"), None);
        // Whoever sent the key as a name would be refused.
        assert!(check(&key).is_err());
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(text in "\\PC{0,12}(@\\PC{1,12})?") {
            let key = fold(&text);
            prop_assert_eq!(fold(&key), key);
        }

        #[test]
        fn case_never_counts(text in "[\\p{L}\\p{N} .+-]{0,12}") {
            prop_assert_eq!(fold(&text.to_uppercase()), fold(&text.to_lowercase().to_uppercase()));
            prop_assert_eq!(fold(&text), fold(&text.nfd().collect::<String>()));
        }
    }
}
