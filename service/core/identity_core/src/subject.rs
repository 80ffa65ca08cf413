//! Who somebody is at an issuer or identity provider.

/// Characters of a subject (OpenID Connect Core, section 2: 255 of ASCII; SAML Core, section 8.3.7: 256).
const SUBJECT_MAX: usize = 255;
/// White space to who reads it, though Unicode doesn't count it.
const NO_BREAK: char = '\u{feff}';

/// Whether a text is a subject: compared byte for byte, never folded and never trimmed, so that two that differ are two people. One that
/// begins or ends with white space is none: whoever handed it on may have added it, and nobody could tell the two apart.
pub fn is_subject(text: &str) -> bool {
    let is_blank = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || c == NO_BREAK);
    text.chars().count() <= SUBJECT_MAX
        && !text.chars().any(char::is_control)
        && !is_blank(text.chars().next())
        && !is_blank(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_text_that_nobody_has_to_trim() {
        for right in
            ["w1", "W1", "a b", "ａ", "auth0|5f7c8ec7c33c6c004bbafe82", "a\u{a0}b", &"x".repeat(SUBJECT_MAX)]
        {
            assert!(is_subject(right), "{right:?}");
        }
        let long = "x".repeat(SUBJECT_MAX + 1);
        for wrong in [
            "",
            " ",
            "w1 ",
            " w1",
            "\tw1",
            "w1\r",
            "w1\n",
            "w\u{0}1",
            "\u{a0}w1",
            "w1\u{3000}",
            "\u{feff}w1",
            &long,
        ] {
            assert!(!is_subject(wrong), "{wrong:?}");
        }
    }
}
