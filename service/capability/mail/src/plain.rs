//! Text that somebody wrote, made fit to stand in a mail.

/// Marks that change the direction of text: a name that holds one turns what comes after it around.
fn turns_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Text that somebody wrote, fit to stand in a mail: no control characters but the ends of lines, nothing that turns directions.
pub(crate) fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars()
        .filter(|letter| (*letter == '\n' || !letter.is_control()) && !turns_direction(*letter))
        .collect()
}

/// The same on one line, as names and subjects are.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}
