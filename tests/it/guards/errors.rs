//! Errors are facts: what a fact is to a caller of the API is decided in a capability's `error.rs` and its `http`, nowhere else.

use super::architecture::root;
use super::rules::sources;

/// Whether a file may know of HTTP.
fn is_edge(file: &str) -> bool {
    ["/src/http/", "/src/error/"].iter().any(|folder| file.contains(folder))
        || ["/src/http.rs", "/src/error.rs", "/src/codes.rs"].iter().any(|one| file.ends_with(one))
}

/// How often a text names a problem code; the list of them, which a capability's value registers, names none.
fn named(text: &str) -> usize {
    let word =
        |at: usize| text[..at].chars().next_back().is_some_and(|one| one.is_alphanumeric() || one == '_');
    let constant = |at: usize| text[at..].starts_with(|one: char| one.is_ascii_uppercase());
    let count = |what: &str| {
        text.match_indices(what).filter(|(at, _)| !word(*at) && constant(at + what.len())).count()
    };
    count("Code::") + count("codes::") - text.matches("codes::DECLARED").count()
}

#[test]
fn no_domain_names_a_problem_code() {
    let found: Vec<(String, usize)> = sources("service/capability")
        .into_iter()
        .filter(|(file, _)| !is_edge(file))
        .map(|(file, text)| (file, named(&text)))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert!(found.is_empty(), "an error of a capability is an enum in its `error.rs`: {found:?}");
}

/// How many codes are declared in a text.
fn declared(text: &str) -> usize {
    text.split("codes! {")
        .skip(1)
        .map(|list| list.split('}').next().unwrap_or_default().matches("\";").count())
        .sum()
}

#[test]
fn a_code_is_declared_once_by_its_owner_and_registered() {
    let codes = tenantry::problem_codes();
    let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "a code is declared twice: {names:?}");
    let all = sources("service");
    let mut count = 0;
    for (file, text) in &all {
        // The macro is how a code is made, and these are the files whose codes are registered.
        let may = file == "web/src/problem/catalogue.rs"
            || file.ends_with("/src/codes.rs")
            || file == "src/codes.rs";
        assert!(may || !text.contains("codes! {"), "{file} declares codes: that is for a `codes.rs`");
        assert!(
            file == "web/src/problem/catalogue.rs" || !text.contains("Code::described("),
            "{file} makes a code"
        );
        count += if may { declared(text) } else { 0 };
        if let Some(capability) = file.strip_suffix("/src/codes.rs") {
            let value = format!("{capability}/src/capability.rs");
            let value = all.iter().find(|(file, _)| *file == value).map(|(_, text)| text.as_str());
            let registers = value.is_some_and(|text| text.contains(".problems(codes::DECLARED)"));
            assert!(registers, "{capability} doesn't register its codes");
        }
    }
    assert_eq!(count, codes.len(), "a code is declared and not registered");
}

/// Capabilities without an error of their own: they answer those of the platform, or are called by crates that have theirs.
const WITHOUT: [&str; 3] = ["audit", "azure", "delivery"];

/// A trait between two capabilities' edges: the token endpoint answers what the owner of the client answered.
const SEAM: (&str, &str) = ("sessions", "grant.rs");

#[test]
fn a_capability_has_its_errors_in_one_file() {
    for entry in std::fs::read_dir(root().join("service/capability")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let all = sources(&format!("service/capability/{name}/src"));
        let has = all.iter().any(|(file, _)| file == "error.rs");
        assert!(has != WITHOUT.contains(&name.as_str()), "{name} has an error.rs, or is in WITHOUT");
        for (file, text) in all {
            let is_edge = file.starts_with("http") || file.starts_with("error");
            let is_seam = (name.as_str(), file.as_str()) == SEAM;
            assert!(is_edge || is_seam || !text.contains("Problem"), "{name}/src/{file} knows of Problem");
        }
    }
}
