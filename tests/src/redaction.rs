//! What differs from run to run, taken out of a text: the rest can be compared as a whole.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What differs: its name, and how it looks. A first group is what stands before it and is kept.
const DIFFERS: [(&str, &str); 11] = [
    ("id", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("host", r"(?:127\.0\.0\.1|localhost):[0-9]+"),
    ("time", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]+(?:Z|[+-][0-9]{2}:[0-9]{2})"),
    (
        "day",
        r"[0-9]{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December) 20[0-9]{2}(?:, [0-9]{2}:[0-9]{2} UTC)?",
    ),
    ("seconds", r"\b1[6-9][0-9]{8}\b"),
    ("ms", r#"("durationMs": )[0-9]+"#),
    ("code", r#"(class="code">|"code": ")[A-Z0-9]{4}-[A-Z0-9]{4}"#),
    ("jwt", r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    ("secret", r"((?:tnt_[a-z]+|whsec)_)[A-Za-z0-9_+/=-]{16,}"),
    ("random", r#"("at_hash": ")[A-Za-z0-9_-]+"#),
    ("hex", r"[0-9a-f]{32}"),
];

static EXPRESSIONS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    DIFFERS.iter().map(|(name, like)| (*name, Regex::new(like).expect("an expression"))).collect()
});

/// Long texts of Base64: digests, signatures, certificates, public keys.
static RANDOM: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9_+/-]{40,}=*").expect("an expression"));

/// The text with `[id 1]`, `[time]`, `[host 1]` and so on in place of what differs. Ids and hosts are numbered, so that it can be seen
/// which of them are the same.
pub fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, expression) in EXPRESSIONS.iter() {
        let mut seen = Vec::new();
        let shown = expression.replace_all(&text, |found: &Captures<'_>| {
            let kept = found.get(1).map_or("", |kept| kept.as_str());
            match *name {
                "id" | "host" => format!("[{name} {}]", number(&mut seen, &found[0])),
                _ => format!("{kept}[{name}]"),
            }
        });
        text = shown.into_owned();
    }
    let shown = RANDOM.replace_all(&text, |found: &Captures<'_>| {
        // What has no capitals is a path.
        let is_path = !found[0].bytes().any(|byte| byte.is_ascii_uppercase());
        if is_path { found[0].to_owned() } else { "[random]".to_owned() }
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
