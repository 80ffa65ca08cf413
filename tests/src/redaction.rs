//! What differs from run to run, taken out of a text: the rest can be compared as a whole.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// One group for each kind of what differs.
static DIFFERS: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        r"(?<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
        r"(?<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]+(?:Z|[+-][0-9]{2}:[0-9]{2}))",
        r"(?<host>(?:127\.0\.0\.1|localhost):[0-9]+)",
        r"(?<jwt>eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)",
        r"(?<secret>(?:tnt_[a-z]+|whsec|vouch|pub)_[A-Za-z0-9_+/=-]{16,})",
        r"(?<random>[A-Za-z0-9_+/-]{40,}=*)",
        r"(?<day>[0-9]{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December) [0-9]{4}(?:,? (?:at )?[0-9]{2}:[0-9]{2}(?: UTC)?)?)",
        r"(?<code>[A-Z0-9]{4}-[A-Z0-9]{4})",
        r"(?<seconds>1[6-9][0-9]{8})",
    ];
    Regex::new(&kinds.join("|")).expect("an expression")
});

/// The text with `[id 1]`, `[time]`, `[host 1]` and so on in place of what differs. Ids and hosts are numbered, so that it can be seen
/// which of them are the same.
pub fn redacted(text: &str) -> String {
    let (mut ids, mut hosts) = (Vec::new(), Vec::new());
    let shown = DIFFERS.replace_all(text, |found: &Captures<'_>| {
        let kind = DIFFERS.capture_names().flatten().find(|name| found.name(name).is_some());
        match (kind.expect("a kind"), &found[0]) {
            ("id", one) => format!("[id {}]", number(&mut ids, one)),
            ("host", one) => format!("[host {}]", number(&mut hosts, one)),
            // A long word, or a path, is no random text.
            ("random", one) if !one.bytes().any(|byte| byte.is_ascii_digit()) => one.to_owned(),
            ("random", one) if one.split('/').all(|part| part.len() < 40) => one.to_owned(),
            (kind, _) => format!("[{kind}]"),
        }
    });
    shown.into_owned()
}

/// Which of those that came so far this is, from one.
fn number(seen: &mut Vec<String>, one: &str) -> usize {
    let at = seen.iter().position(|other| other == one);
    at.unwrap_or_else(|| {
        seen.push(one.to_owned());
        seen.len() - 1
    }) + 1
}
