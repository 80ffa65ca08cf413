//! One word, one meaning: what the glossary in CONTRIBUTING.md gives another word for is no longer a name in the code, nor in what the API,
//! its events and its problems say.

use std::collections::BTreeMap;

use super::rules::sources;

/// Words that the glossary replaces, and how often each still is a part of a name in the code. The numbers only fall; a word without
/// one is gone for good.
const REPLACED: [(&str, usize); 27] = [
    ("admission", 0),
    ("arrival", 0),
    ("came", 0),
    ("comer", 0),
    ("converge", 0),
    ("door", 0),
    // Settings: `instances.grow` and `instances.grow_at_percent`.
    ("grow", 6),
    ("hearer", 0),
    ("hopeless", 0),
    // actix-web's `keep_alive`.
    ("keep", 1),
    // Settings: `sso.sign_ins_kept` and `quota.history_kept`; a field of the event `billing.price_unknown`: `plan_kept`.
    ("kept", 7),
    ("look", 0),
    ("mend", 0),
    ("mender", 0),
    ("mischief", 0),
    ("note", 0),
    ("rehearsal", 0),
    ("rehearse", 0),
    ("rehearses", 0),
    ("room", 0),
    ("settle", 0),
    ("story", 0),
    ("tell", 0),
    // Columns of `subscription`: `told_at` and `told_by`.
    ("told", 8),
    ("unmake", 0),
    ("unwell", 0),
    ("unwound", 0),
];

/// Words that nothing public says: an operator or a receiver who never saw the code would not know what they mean.
const PRIVATE: [&str; 14] = [
    "comer",
    "converge",
    "door",
    "hopeless",
    "mend",
    "mender",
    "mischief",
    "rehearsal",
    "rehearse",
    "settle",
    "told",
    "unmake",
    "unwell",
    "unwind",
];

/// The names in a source, without comments and texts.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at =
                rest.find(|one: char| matches!(one, '"' | '\'' | '/' | '_') || one.is_ascii_alphabetic())?;
            let here = &rest[at..];
            if let Some(after) = here.strip_prefix("'\"'") {
                rest = after;
            } else if let Some(comment) = here.strip_prefix("//") {
                rest = comment.find('\n').map_or("", |end| &comment[end..]);
            } else if let Some(quoted) = here.strip_prefix('"') {
                rest = after_quotes(quoted);
            } else if here.starts_with(['/', '\'']) {
                rest = &here[1..];
            } else {
                let end =
                    here.find(|one: char| one != '_' && !one.is_ascii_alphanumeric()).unwrap_or(here.len());
                rest = &here[end..];
                return Some(&here[..end]);
            }
        }
    })
}

/// What follows a text whose opening quotes were read.
fn after_quotes(text: &str) -> &str {
    let mut escaped = false;
    for (at, one) in text.char_indices() {
        match one {
            '"' if !escaped => return &text[at + 1..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

/// The words of a name: `NoteUse` and `note_use` are `note` and `use`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for one in name.chars() {
        if one == '_' {
            before = one;
            continue;
        }
        let begins = before == '_' || one.is_ascii_uppercase() && !before.is_ascii_uppercase();
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(one.to_ascii_lowercase());
        }
        before = one;
    }
    words
}

#[test]
fn names_are_read_without_comments_and_texts_and_split_into_words() {
    let text = "let noteUse = \"a \\\" kept\"; // told\nfn set_told(SSO_KEPT: u8) {} 1 / 2";
    let found: Vec<Vec<String>> = names(text).map(words).collect();
    let wanted: [&[&str]; 6] =
        [&["let"], &["note", "use"], &["fn"], &["set", "told"], &["sso", "kept"], &["u8"]];
    assert_eq!(found, wanted);
}

#[test]
fn a_name_is_made_of_the_glossarys_words() {
    let mut found: BTreeMap<&str, usize> = REPLACED.iter().map(|(word, _)| (*word, 0)).collect();
    let mut where_: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (file, text) in sources("service").into_iter().chain(sources("entity/src")) {
        for name in names(&text) {
            for word in words(name) {
                if let Some((word, count)) =
                    found.get_key_value(word.as_str()).map(|(word, count)| (*word, *count))
                {
                    found.insert(word, count + 1);
                    where_.entry(word).or_default().push(format!("{file}: {name}"));
                }
            }
        }
    }
    for (word, count) in REPLACED {
        assert_eq!(found[word], count, "`{word}` has another word in the glossary: {:#?}", where_.get(word));
    }
}

/// What is made from the code: read whole, for what stands in backquotes there are names that the API says.
const GENERATED: [&str; 5] =
    ["service/openapi.json", "docs/problems.md", "docs/events.md", "docs/lifecycles.md", "docs/steps.md"];

/// A text without what stands in backquotes: names of files, tests and settings have their own rules.
fn prose(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Every document that people write and read, but for CHANGELOG and the decisions, which tell of what was, and CONTRIBUTING, which has
/// the glossary.
fn written_by_hand() -> Vec<String> {
    let folder = std::fs::read_dir(super::architecture::root().join("docs")).expect("the documents");
    let names = folder.map(|one| one.expect("a file").file_name().into_string().expect("a name"));
    let docs = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    let others = ["README.md", "ARCHITECTURE.md", "LIMITS.md", "SECURITY.md"].map(str::to_owned);
    docs.chain(others).filter(|file| !GENERATED.contains(&file.as_str())).collect()
}

#[test]
fn nothing_public_speaks_a_private_language() {
    let root = super::architecture::root();
    let mut found = Vec::new();
    let generated = GENERATED.map(|file| (file.to_owned(), str::to_owned as fn(&str) -> String));
    let written = written_by_hand().into_iter().map(|file| (file, prose as fn(&str) -> String));
    for (file, read) in generated.into_iter().chain(written) {
        let text = std::fs::read_to_string(root.join(&file)).expect("the file");
        for (at, line) in text.lines().enumerate() {
            let line = read(line);
            let spoken = |word: &&str| {
                line.split(|one: char| !one.is_ascii_alphabetic()).any(|found| {
                    let found = found.to_ascii_lowercase();
                    found == *word || found.strip_suffix('s') == Some(word)
                })
            };
            found.extend(
                PRIVATE.iter().filter(|word| spoken(word)).map(|word| format!("{file}:{}: {word}", at + 1)),
            );
        }
    }
    assert!(found.is_empty(), "see the glossary in CONTRIBUTING.md: {found:#?}");
}
