//! The files of a crate need each other in one direction only: each can be understood once those are that it uses.

use std::collections::{BTreeMap, BTreeSet};

use super::architecture::root;
use super::rules::sources;

/// The circles that are left: crate, its modules, and what holds them together. The list only shrinks.
const CIRCLES: [(&str, &str, &str); 3] = [
    (
        "directory",
        "ops::admins ops::guard ops::roles ops::users ops::users::off",
        "who loses a role or access may be the last admin, and the guard names who writes",
    ),
    ("scim", "resources work", "what work costs is told by its resources, which are read under it"),
    ("sign_in", "ops::outcome ops::proof ops::sign_in ops::status", "the steps of one sign-in know its row"),
];

type Path = Vec<String>;

/// What a file says of others.
#[derive(Default)]
struct Module {
    /// What it uses by a path that begins with `crate`, `super` or `self`. That it calls its own children by their names is how a folder
    /// is read, and what it only hands on (`pub use`) it doesn't use.
    uses: Vec<Path>,
    /// By which names it knows, or hands on, what stands elsewhere.
    names: BTreeMap<String, Path>,
}

type Modules = BTreeMap<Path, Module>;

fn path(text: &str) -> Path {
    text.split("::").map(|word| word.trim().to_owned()).collect()
}

/// The module of a file; the crate itself is the empty path.
fn module_of(file: &str) -> Path {
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if name == "lib" { Path::new() } else { path(&name.replace('/', "::")) }
}

/// A path as seen from `own`, from the crate's root on; `None` if it leads out of the crate.
fn absolute(own: &[String], path: &[String], known: &BTreeSet<Path>) -> Option<Path> {
    let (mut base, mut rest) = (own.to_vec(), path);
    match path.first()?.as_str() {
        "crate" => return path.get(1..).map(<[String]>::to_vec),
        "self" => rest = path.get(1..)?,
        "super" => {
            while rest.first().is_some_and(|word| word == "super") {
                base.pop();
                rest = rest.get(1..)?;
            }
        }
        child => {
            let is_child = known.contains(&[own, &[child.to_owned()]].concat());
            rest = if is_child { path } else { return None };
        }
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// The paths of a `use`, each with the name that it gives.
fn expand(text: &str, before: &[String], found: &mut Vec<(Path, String)>) {
    let text = text.trim();
    if let Some(list) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let mut depth = 0;
        for one in list.split(|letter| {
            depth += match letter {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            letter == ',' && depth == 0
        }) {
            expand(one, before, found);
        }
    } else if let Some((head, rest)) = text.split_once("::") {
        expand(rest, &[before, &[head.to_owned()]].concat(), found);
    } else if !text.is_empty() {
        let (name, known_as) = text.split_once(" as ").unwrap_or((text, text));
        found.push(([before, &[name.to_owned()]].concat(), known_as.to_owned()));
    }
}

/// The paths in a file's code that begin with `crate`, `super` or `self`.
fn paths(code: &str) -> Vec<Path> {
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let inside = code[..at].chars().next_back().is_some_and(is_of_word);
            let text = code[at..].split(|letter| !is_of_word(letter)).next().unwrap_or_default();
            if !inside {
                found.push(path(text.trim_end_matches(':')));
            }
        }
    }
    found
}

/// What a file says of the others that are `known`.
fn read(own: &[String], text: &str, known: &BTreeSet<Path>) -> Module {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (mut module, mut code, mut statement) = (Module::default(), String::new(), String::new());
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        let is_part = !statement.is_empty() || begins.iter().any(|start| line.trim().starts_with(start));
        if !is_part {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        statement.push_str(line.trim());
        if !statement.ends_with(';') {
            continue;
        }
        let (visible, tree) = statement.trim_end_matches(';').split_once("use ").expect("a use");
        let mut found = Vec::new();
        expand(tree, &[], &mut found);
        for (path, name) in found {
            let explicit = ["crate", "super", "self"].contains(&path[0].as_str());
            let Some(path) = absolute(own, &path, known) else { continue };
            if explicit && visible.is_empty() {
                module.uses.push(path.clone());
            }
            module.names.insert(name, path);
        }
        statement.clear();
    }
    module.uses.extend(paths(&code).iter().filter_map(|path| absolute(own, path, known)));
    module
}

/// The module in which stands what a path leads to, through those that only hand it on.
fn resolve(modules: &Modules, path: &[String], steps: usize) -> Option<Path> {
    let length = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (found, rest) = path.split_at(length);
    match rest.split_first().and_then(|(name, rest)| Some((modules[found].names.get(name)?, rest))) {
        Some((onward, rest)) if steps > 0 => resolve(modules, &[onward.as_slice(), rest].concat(), steps - 1),
        _ => Some(found.to_vec()),
    }
}

/// Everything that can be reached from a module.
fn reach(uses: &BTreeMap<Path, BTreeSet<Path>>, from: &Path) -> BTreeSet<Path> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(next) = waiting.pop() {
        waiting.extend(uses[next].iter().filter(|one| seen.insert((*one).clone())));
    }
    seen
}

/// The circles of a crate, each as its modules.
fn circles(folder: &str) -> BTreeSet<String> {
    let below = format!("{folder}/src");
    let files: Vec<String> = sources(&below).into_iter().map(|(file, _)| file).collect();
    let known: BTreeSet<Path> = files.iter().map(|file| module_of(file)).collect();
    let text = |file: &str| std::fs::read_to_string(root().join(&below).join(file)).expect("a file");
    let modules: Modules =
        files.iter().map(|file| (module_of(file), read(&module_of(file), &text(file), &known))).collect();
    let used = |own: &Path, module: &Module| -> BTreeSet<Path> {
        module
            .uses
            .iter()
            .filter_map(|path| resolve(&modules, path, 8))
            .filter(|other| other != own)
            .collect()
    };
    let uses: BTreeMap<Path, BTreeSet<Path>> =
        modules.iter().map(|(own, module)| (own.clone(), used(own, module))).collect();
    let reached: BTreeMap<&Path, BTreeSet<Path>> = uses.keys().map(|own| (own, reach(&uses, own))).collect();
    let circle = |own: &Path| -> Vec<String> {
        let back = |other: &&Path| reached[own].contains(*other) && reached[*other].contains(own);
        uses.keys().filter(back).map(|module| module.join("::")).collect()
    };
    uses.keys().map(circle).filter(|circle| circle.len() > 1).map(|circle| circle.join(" ")).collect()
}

#[test]
fn files_of_a_crate_need_each_other_in_one_direction() {
    let mut folders: Vec<String> =
        ["service", "service/platform", "service/web", "service/pages"].map(ToOwned::to_owned).to_vec();
    for many in ["service/capability", "service/core"] {
        for entry in std::fs::read_dir(root().join(many)).expect("a folder").flatten() {
            folders.push(format!("{many}/{}", entry.file_name().to_string_lossy()));
        }
    }
    let mut found = BTreeSet::new();
    for folder in &folders {
        let name = folder.rsplit('/').next().unwrap_or_default();
        found.extend(circles(folder).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    let listed: BTreeSet<String> =
        CIRCLES.iter().map(|(name, modules, _)| format!("{name}: {modules}")).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(new.is_empty(), "what two files share belongs below both, in a third: {new:#?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "no circles any more, take them off the list: {gone:#?}");
    assert!(CIRCLES.iter().all(|(_, _, reason)| reason.split_whitespace().count() >= 3));
}
