//! One word, one meaning: what the glossary in CONTRIBUTING.md gives another word for is no longer a name in the code, nor in what the API,
//! its events and its problems say.

use std::collections::BTreeMap;

use super::rules::sources;

/// Words that the glossary replaces, and how often each still is a part of a name in the code. The numbers only fall; a word without
/// one is gone for good.
const REPLACED: [(&str, usize); 30] = [
    ("admission", 0),
    ("arrival", 0),
    ("came", 0),
    ("comer", 0),
    ("converge", 0),
    ("door", 0),
    ("grow", 0),
    ("hearer", 0),
    ("hopeless", 0),
    // actix-web's `keep_alive`.
    ("keep", 1),
    ("kept", 0),
    ("look", 0),
    ("mend", 0),
    ("mender", 0),
    ("mends", 0),
    ("mischief", 0),
    ("note", 0),
    ("noted", 0),
    ("rehearsal", 0),
    ("rehearse", 0),
    ("rehearses", 0),
    ("room", 0),
    ("settle", 0),
    ("settled", 0),
    ("story", 0),
    ("tell", 0),
    ("told", 0),
    ("unmake", 0),
    ("unwell", 0),
    ("unwound", 0),
];

/// How words begin that nothing public says: an operator or a receiver who never saw the code would not know what they mean.
const PRIVATE: [&str; 14] = [
    "comer", "converg", "door", "hopeless", "mend", "mischie", "rehears", "settl", "told", "unmad", "unmak",
    "unwell", "unwind", "unwound",
];

/// Two words that together say what one word of the glossary says.
const PRIVATE_PAIRS: [&str; 16] = [
    "came in",
    "come in",
    "comes in",
    "cut off",
    "cuts off",
    "is through",
    "leave alone",
    "left alone",
    "let in",
    "lets in",
    "looks again",
    "put back",
    "puts back",
    "wanted no",
    "way back",
    "went through",
];

/// What a source is made of, comments left out.
enum Token<'a> {
    Name(&'a str),
    /// What stands in quotes, the closing ones included.
    Text(&'a str),
}

/// The tokens of a source, each with where it begins.
fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at =
                rest.find(|one: char| matches!(one, '"' | '\'' | '/' | '_') || one.is_ascii_alphabetic())?;
            let here = &rest[at..];
            let begins = text.len() - here.len();
            if let Some(after) = here.strip_prefix("'\"'") {
                rest = after;
            } else if let Some(comment) = here.strip_prefix("//") {
                rest = comment.find('\n').map_or("", |end| &comment[end..]);
            } else if let Some(quoted) = here.strip_prefix('"') {
                rest = after_quotes(quoted);
                return Some((begins, Token::Text(&quoted[..quoted.len() - rest.len()])));
            } else if here.starts_with(['/', '\'']) {
                rest = &here[1..];
            } else {
                let end =
                    here.find(|one: char| one != '_' && !one.is_ascii_alphanumeric()).unwrap_or(here.len());
                rest = &here[end..];
                return Some((begins, Token::Name(&here[..end])));
            }
        }
    })
}

/// The names in a source.
fn names(text: &str) -> impl Iterator<Item = &str> {
    tokens(text).filter_map(|(_, token)| match token {
        Token::Name(name) => Some(name),
        Token::Text(_) => None,
    })
}

/// The texts in quotes in a source, each with its line.
fn literals(text: &str) -> Vec<(usize, String)> {
    let quoted = tokens(text).filter_map(|(at, token)| match token {
        Token::Text(quoted) => Some((text[..at].matches('\n').count() + 1, quoted.to_owned())),
        Token::Name(_) => None,
    });
    quoted.collect()
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
fn prose(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// A text of the code without names: columns, tables and placeholders are joined by `_`.
fn without_names(text: &str) -> String {
    let is_letter = |one: char| one == '_' || one.is_ascii_alphanumeric();
    let words = text.split_inclusive(|one| !is_letter(one)).filter(|word| !word.contains('_'));
    words.collect()
}

/// What a line says in a private language.
fn private(line: &str) -> Vec<String> {
    let words: Vec<String> = line
        .split(|one: char| !one.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let is_private = |word: &&String| PRIVATE.iter().any(|stem| word.starts_with(stem));
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let pairs = pairs.filter(|pair| PRIVATE_PAIRS.contains(&pair.as_str()));
    words.iter().filter(is_private).cloned().chain(pairs).collect()
}

#[test]
fn what_is_private_is_found_in_each_of_its_forms() {
    let found = private("The run is settled, unwound or unmade; Rehearsals cut off whom they let in.");
    assert_eq!(found, ["settled", "unwound", "unmade", "rehearsals", "cut off", "let in"]);
    assert_eq!(private("Settings of recommended indoor menders"), ["menders"]);
    assert_eq!(without_names("SELECT told_at, told FROM {settled_at}"), "SELECT  told FROM {");
    assert_eq!(prose("a `told` b"), "a   b");
}

#[test]
fn texts_in_quotes_are_read_without_comments() {
    let found = literals("let a = \"one\"; // \"two\"\nlet b = ['\"', 'c'];\nf(\"three \\\" 3\") / 2");
    assert_eq!(found, [(1, "one\"".to_owned()), (3, "three \\\" 3\"".to_owned())]);
}

/// Files and the columns of theirs that have names from before.
const COLUMNS: [(&str, &str); 5] = [
    ("capability/directory/src/store/users.rs", "rehearses"),
    ("capability/scim/src/http/authenticator.rs", "rehearsal"),
    ("capability/scim/src/store/dry_runs.rs", "rehearses"),
    ("capability/scim/src/store/tokens.rs", "rehearsal"),
    ("capability/sign_in/src/store.rs", "rehearses"),
];

/// Every document that people write and read, but for CHANGELOG and the decisions, which tell of what was, and CONTRIBUTING, which has
/// the glossary.
fn written_by_hand() -> Vec<String> {
    let folder = std::fs::read_dir(super::architecture::root().join("docs")).expect("the documents");
    let names = folder.map(|one| one.expect("a file").file_name().into_string().expect("a name"));
    let docs = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    let others = ["README.md", "ARCHITECTURE.md", "LIMITS.md", "SECURITY.md"].map(str::to_owned);
    docs.chain(others).filter(|file| !GENERATED.contains(&file.as_str())).collect()
}

/// Pages, mails and what an operator reads.
fn shown() -> Vec<String> {
    let root = super::architecture::root();
    let mut found = Vec::new();
    for ending in ["html", "txt", "ftl", "toml", "js", "json"] {
        super::architecture::files(&root.join("templates"), ending, &mut found);
    }
    let name = |path: &std::path::PathBuf| path.strip_prefix(&root).expect("below").display().to_string();
    let others = ["service/config.default.toml", "infra/alerts.yml"].map(str::to_owned);
    found.iter().map(name).chain(others).collect()
}

/// The line of each `Cargo.toml` that says what its crate is.
fn descriptions() -> Vec<(String, usize, String)> {
    let root = super::architecture::root();
    let mut found = Vec::new();
    for folder in ["service", "entity", "migration"] {
        super::architecture::files(&root.join(folder), "Cargo.toml", &mut found);
    }
    let line = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("the file");
        let found = text.lines().enumerate().find(|(_, line)| line.starts_with("description"));
        found.map(|(at, line)| (path.display().to_string(), at + 1, line.to_owned()))
    };
    found.into_iter().filter_map(line).collect()
}

/// What the program says: the texts in its code, and the help of its commands.
fn said() -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    for (file, text) in sources("service") {
        let column = |word: &String| !COLUMNS.contains(&(file.as_str(), word.as_str()));
        for (at, text) in literals(&text) {
            let words = private(&without_names(&text)).into_iter().filter(column);
            found.extend(words.map(|word| (file.clone(), at, word)));
        }
        let help = text.lines().enumerate().filter(|_| file.starts_with("src/cli"));
        let help = help.filter(|(_, line)| line.trim_start().starts_with("///"));
        found.extend(help.map(|(at, line)| (file.clone(), at + 1, prose(line))));
    }
    found
}

#[test]
fn nothing_public_speaks_a_private_language() {
    let root = super::architecture::root();
    let generated = GENERATED.map(|file| (file.to_owned(), str::to_owned as fn(&str) -> String));
    let shown = shown().into_iter().map(|file| (file, str::to_owned as fn(&str) -> String));
    let written = written_by_hand().into_iter().map(|file| (file, prose as fn(&str) -> String));
    let mut lines = Vec::new();
    for (file, read) in generated.into_iter().chain(shown).chain(written) {
        let text = std::fs::read_to_string(root.join(&file)).expect("the file");
        lines.extend(text.lines().enumerate().map(|(at, line)| (file.clone(), at + 1, read(line))));
    }
    lines.extend(descriptions());
    lines.extend(said());
    let found: Vec<String> = lines
        .iter()
        .flat_map(|(file, at, line)| {
            private(line).into_iter().map(move |word| format!("{file}:{at}: {word}"))
        })
        .collect();
    assert!(found.is_empty(), "see the glossary in CONTRIBUTING.md: {found:#?}");
}
