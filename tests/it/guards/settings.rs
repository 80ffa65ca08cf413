//! Every setting that can be set is read by somebody: one that nothing reads is a promise that nobody keeps.

use super::rules::sources;

/// `rate_limit` → `RateLimit`: how the struct of a section is called.
fn camel(name: &str) -> String {
    let upper = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    name.split('_').map(upper).collect()
}

/// Section and key of each setting.
fn settings() -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in platform::config::DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            found.push((section.clone(), key.to_owned()));
        }
    }
    found
}

/// Whether `word` stands in `text` with nothing behind that would make it another one.
fn has(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let behind = text[at + word.len()..].chars().next();
        !behind.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

/// Sources without tests, and without what only says whether a value fits: that is no use of it.
fn texts() -> Vec<(String, String)> {
    let is_of_settings = |file: &str| file.contains("/config") || file.contains("/settings");
    let cut = |text: &str| text.split("fn check(").next().unwrap_or_default().to_owned();
    let all = sources("service").into_iter();
    all.map(|(file, text)| if is_of_settings(&file) { (file, cut(&text)) } else { (file, text) }).collect()
}

/// The crate of a file below `service`.
fn owner(file: &str) -> &str {
    file.strip_prefix("capability/").and_then(|file| file.split('/').next()).unwrap_or_default()
}

/// A capability's struct with keys of a section.
struct Section {
    owner: String,
    holder: String,
    name: String,
    keys: Vec<String>,
}

fn sections() -> Vec<Section> {
    let mut found = Vec::new();
    for (file, text) in sources("service") {
        for (at, start) in text.match_indices("\nimpl Section for ") {
            let rest = &text[at + start.len()..];
            let (holder, rest) = rest.split_once(" {\n").expect("an implementation");
            let name = rest.split('"').nth(1).expect("a name").to_owned();
            let body = text.split(&format!("\npub struct {holder} {{\n")).nth(1).expect("its struct");
            let fields = body.split("\n}").next().unwrap_or_default().lines();
            let fields = fields.filter_map(|line| line.strip_prefix("    pub ")?.split(':').next());
            let keys = fields.map(ToOwned::to_owned).collect();
            found.push(Section { owner: owner(&file).to_owned(), holder: holder.to_owned(), name, keys });
        }
    }
    found
}

#[test]
fn every_section_of_a_capability_is_declared() {
    let mut there: Vec<_> = sections().iter().map(|one| format!("{}::{}", one.owner, one.holder)).collect();
    let mut declared = Vec::new();
    for (file, text) in sources("service/capability") {
        for rest in text.split(".settings::<").skip(1) {
            let section = rest.split('>').next().unwrap_or_default();
            let own = format!("{}::{section}", file.split('/').next().unwrap_or_default());
            declared.push(if section.contains("::") { section.to_owned() } else { own });
        }
    }
    there.sort();
    declared.sort();
    assert!(there.len() > 15, "{there:?}");
    assert_eq!(there, declared, "what a capability's value doesn't declare can't be read");
}

#[test]
fn every_setting_is_read() {
    let texts = texts();
    let sections = sections();
    let settings = settings();
    assert!(settings.len() > 90, "{}", settings.len());
    let unread: Vec<_> = settings
        .iter()
        .filter(|(section, key)| {
            let read = format!(".{key}");
            let of = sections.iter().find(|one| one.name == *section && one.keys.contains(key));
            let name = section.rsplit('.').next().unwrap_or_default();
            let (field, holder) = (format!(".{name}"), camel(name));
            !texts.iter().any(|(file, text)| {
                let knows = match of {
                    Some(of) if of.owner == owner(file) => has(text, &of.holder),
                    Some(of) => has(text, &format!("{}::{}", of.owner, of.holder)),
                    None => has(text, &field) || has(text, &holder),
                };
                knows && has(text, &read)
            })
        })
        .collect();
    assert!(unread.is_empty(), "nothing reads {unread:?}");
}
