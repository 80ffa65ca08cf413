//! Errors are facts: what a fact is to a caller of the API is decided in a capability's `error.rs` and its `http`, nowhere else.

use super::rules::sources;

/// Whether a file may know of HTTP.
fn is_edge(file: &str) -> bool {
    ["/src/http/", "/src/error/"].iter().any(|folder| file.contains(folder))
        || ["/src/http.rs", "/src/error.rs"].iter().any(|one| file.ends_with(one))
}

/// How often a text names a problem code.
fn named(text: &str) -> usize {
    let word =
        |at: usize| text[..at].chars().next_back().is_some_and(|one| one.is_alphanumeric() || one == '_');
    text.match_indices("Code::").filter(|(at, _)| !word(*at)).count()
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

#[test]
fn a_converted_capability_has_its_errors_in_one_file() {
    let converted = [
        "keys",
        "backends",
        "connections",
        "directory",
        "exchange",
        "flags",
        "inbox",
        "invitations",
        "mail",
        "modules",
        "oidc_provider",
        "operators",
        "provisioning",
        "quota",
        "scim",
        "sign_in",
        "tenancy",
        "webhooks",
    ];
    for name in converted {
        let all = sources(&format!("service/capability/{name}/src"));
        assert!(all.iter().any(|(file, _)| file == "error.rs"), "{name} has an error.rs");
        for (file, text) in all {
            let is_edge = file.starts_with("http") || file.starts_with("error");
            assert!(is_edge || !text.contains("Problem"), "{name}/src/{file} knows of Problem");
        }
    }
}
