//! Characters that no name and no address may hold.

use std::fmt;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// A character that no name and no address may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden(pub char);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must not contain the character U+{:04X}", u32::from(self.0))
    }
}

/// Refuses what PRECIS (RFC 8264, section 4.2) and IDNA forbid because nobody can see it, or because it changes how the rest is seen:
/// controls, characters of width zero, marks of direction, line breaks, private and unassigned code points. Spaces and symbols stay
/// allowed: identity providers send them.
///
/// # Errors
/// The first such character.
pub fn check(text: &str) -> Result<(), Forbidden> {
    let category = CodePointMapData::<GeneralCategory>::new();
    let shows_nothing = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let forbidden = |one: &char| {
        let kind = matches!(
            category.get(*one),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
        );
        kind || shows_nothing.contains(*one)
    };
    text.chars().find(forbidden).map_or(Ok(()), |one| Err(Forbidden(one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_in_no_name() {
        for good in
            ["ann", "Ann Lee", " ann", "zoë@bücher.example", "o'hara", "a+b", "李", "ann\u{a0}lee", "👩", "ß"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (text, found) in [
            ("a\0", '\0'),
            ("a\tb", '\t'),
            ("a\n", '\n'),
            ("a\u{1f}", '\u{1f}'),
            ("a\u{7f}", '\u{7f}'),
            ("a\u{85}", '\u{85}'),
            ("a\u{ad}", '\u{ad}'),
            ("a\u{200b}", '\u{200b}'),
            ("a\u{200d}b", '\u{200d}'),
            ("\u{200e}a", '\u{200e}'),
            ("a\u{202e}b", '\u{202e}'),
            ("a\u{2066}b", '\u{2066}'),
            ("\u{feff}a", '\u{feff}'),
            ("a\u{2028}", '\u{2028}'),
            ("a\u{fe0f}", '\u{fe0f}'),
            ("\u{3164}", '\u{3164}'),
            ("\u{e000}", '\u{e000}'),
            ("\u{ffff}", '\u{ffff}'),
            ("a\u{e0041}", '\u{e0041}'),
        ] {
            assert_eq!(check(text), Err(Forbidden(found)), "{text:?}");
        }
        assert_eq!(Forbidden('\u{200b}').to_string(), "must not contain the character U+200B");
    }
}
