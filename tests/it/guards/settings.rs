//! Every setting that can be set is read by somebody: one that nothing reads is a promise that nobody keeps.

use std::path::{Path, PathBuf};

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

fn sources(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Whether `word` stands in `text` with nothing behind that would make it another one.
fn has(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let behind = text[at + word.len()..].chars().next();
        !behind.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[test]
fn every_setting_is_read() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../service"), &mut files);
    let texts: Vec<String> = files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).expect("a source");
            // That a setting fits is no use of it, nor is a test.
            let cut = text.find("fn check(").filter(|_| file.to_string_lossy().contains("/config"));
            let cut = cut.or_else(|| text.find("#[cfg(test)]\nmod tests"));
            cut.map_or(text.clone(), |cut| text[..cut].to_owned())
        })
        .collect();
    let settings = settings();
    assert!(settings.len() > 90, "{}", settings.len());
    let unread: Vec<_> = settings
        .iter()
        .filter(|(section, key)| {
            let name = section.rsplit('.').next().unwrap_or_default();
            let (section, holder, read) = (format!(".{name}"), camel(name), format!(".{key}"));
            !texts.iter().any(|text| has(text, &read) && (has(text, &section) || has(text, &holder)))
        })
        .collect();
    assert!(unread.is_empty(), "nothing reads {unread:?}");
}
