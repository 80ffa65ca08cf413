//! The drawing stays true: arrows fall, core is pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a root").to_owned()
}

pub(super) fn files(under: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

/// The workspace's own dependencies of a crate.
fn arrows(manifest: &Path, known: &[String]) -> Vec<String> {
    let text = std::fs::read_to_string(manifest).expect("a manifest");
    let dependencies = text
        .split("[dependencies]")
        .nth(1)
        .unwrap_or_default()
        .split("\n[")
        .next()
        .unwrap_or_default()
        .to_owned();
    let names = dependencies.lines().filter_map(|line| line.split([' ', '.']).next().map(ToOwned::to_owned));
    names.filter(|name| known.contains(name)).collect()
}

/// The capabilities as the picture in ARCHITECTURE.md shows them: in which row each is, and which others it uses.
fn picture() -> BTreeMap<String, (usize, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the picture");
    let rows = text.split("service/capability/*").nth(1).expect("its capabilities");
    let rows = rows.split("service/pages").next().unwrap_or_default().lines().skip(1);
    let words = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
    let mut found = BTreeMap::new();
    let mut row = 0;
    for line in rows.map(str::trim).filter(|line| line.starts_with(|one: char| one.is_ascii_lowercase())) {
        let mut names = line;
        if let Some((number, rest)) = line.strip_prefix("row ").and_then(|rest| rest.split_once(' ')) {
            row = number.parse().expect("the number of a row");
            names = rest;
        }
        match names.split_once('→') {
            Some((name, uses)) => drop(found.insert(name.trim().to_owned(), (row, words(uses)))),
            None => {
                let alone = names.split('(').next().unwrap_or_default();
                found.extend(words(alone).into_iter().map(|name| (name, (row, Vec::new()))));
            }
        }
    }
    found
}

#[test]
fn arrows_run_down_and_capabilities_call_only_lower_rows() {
    let picture = picture();
    let folder = root().join("service/capability");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(picture.keys().eq(&names), "ARCHITECTURE.md shows {:?}", picture.keys());
    for (name, (row, shown)) in &picture {
        let mut uses = arrows(&folder.join(name).join("Cargo.toml"), &names);
        for other in &uses {
            assert!(picture[other].0 < *row, "{name} calls {other}, which is not below it");
        }
        let mut shown = shown.clone();
        shown.sort();
        uses.sort();
        assert_eq!(uses, shown, "what {name} uses, and what ARCHITECTURE.md shows");
    }
    let below = ["platform", "web", "pages", "entity", "migration"];
    for (lower, upper) in [("platform", &["web", "pages"][..]), ("web", &["pages"][..]), ("pages", &[][..])] {
        let manifest = root().join("service").join(lower).join("Cargo.toml");
        let found = arrows(
            &manifest,
            &names.iter().cloned().chain(upper.iter().map(ToString::to_string)).collect::<Vec<_>>(),
        );
        assert!(found.is_empty(), "{lower} calls {found:?}");
    }
    for lower in ["entity", "migration"] {
        let known: Vec<String> = names.iter().cloned().chain(below.map(ToOwned::to_owned)).collect();
        assert!(arrows(&root().join(lower).join("Cargo.toml"), &known).is_empty(), "{lower} knows somebody");
    }
}

#[test]
fn core_has_no_clock_no_randomness_and_no_outside() {
    // chrono without its clock reads and compares moments; the other knows Unicode's tables.
    let allowed = [
        "serde",
        "serde_json",
        "base64",
        "chrono",
        "murmur3",
        "unicode-normalization",
        "identity_core",
        "json_core",
        "policy_core",
        "uuid",
    ];
    for core in
        ["scim_core", "saml_core", "flags_core", "policy_core", "identity_core", "json_core", "passkey_core"]
    {
        let text =
            std::fs::read_to_string(root().join("service/core").join(core).join("Cargo.toml")).unwrap();
        let dependencies = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in dependencies.lines().filter(|line| !line.trim().is_empty()) {
            let name = line.split([' ', '.']).next().unwrap();
            // SAML stands on XML and its cryptography: libraries that ask neither clock nor outside.
            let of_saml = ["aws-lc-rs", "bergshamra", "flate2", "uppsala", "url", "x509-cert"];
            // A ceremony begins with a random challenge, which the library makes.
            let of_passkeys = ["thiserror", "url", "webauthn-rs"];
            // Names stand on Unicode's tables.
            let of_names = ["icu_casemap", "icu_properties", "idna"];
            let fits = allowed.contains(&name)
                || core == "passkey_core" && of_passkeys.contains(&name)
                || core == "saml_core" && of_saml.contains(&name)
                || core == "identity_core" && of_names.contains(&name);
            assert!(fits, "core may not have {name}");
        }
    }
}

#[test]
fn only_the_store_itself_knows_which_store_it_is() {
    let mut sources = Vec::new();
    files(&root().join("service"), ".rs", &mut sources);
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        let knows = text.contains("DbBackend") || text.contains("get_database_backend");
        let may =
            ["platform/src/db.rs", "platform/src/tx/inserts.rs"].iter().any(|file| path.ends_with(file))
                || path.to_string_lossy().contains("platform/src/store/");
        assert!(!knows || may, "{} asks which store it is", path.display());
    }
}

/// Columns whose text is somebody else's, or written for people.
const FOREIGN_TEXTS: [(&str, &str); 3] = [
    ("inbox/event.rs", "outcome"),
    ("inbox/subscription.rs", "status"),
    ("invitations/batch_row.rs", "role"),
];

#[test]
fn what_is_one_of_a_few_is_an_enum_in_the_store() {
    let mut sources = Vec::new();
    files(&root().join("entity/src"), ".rs", &mut sources);
    let closed = ["status", "state", "outcome", "source", "driver", "isolation", "backend", "mode", "role"];
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().map(str::trim) {
            let Some((name, of)) = line.strip_prefix("pub ").and_then(|line| line.split_once(": ")) else {
                continue;
            };
            let is_one_of_a_few =
                closed.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")));
            let is_foreign =
                FOREIGN_TEXTS.iter().any(|(file, column)| path.ends_with(file) && *column == name);
            let is_text = of.contains("String");
            assert!(!is_one_of_a_few || !is_text || is_foreign, "{}: {line}", path.display());
        }
    }
}

#[test]
fn no_function_takes_two_ids_of_one_type() {
    let mut sources = Vec::new();
    files(&root().join("service"), ".rs", &mut sources);
    let mut found = Vec::new();
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        for signature in text.split("fn ").skip(1) {
            let signature = signature.split(['{', ';']).next().unwrap_or_default();
            let parameters = signature.split("->").next().unwrap_or_default();
            if parameters.matches(": Uuid").count() > 1 {
                let name = parameters.split(['(', '<']).next().unwrap_or_default();
                found.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "two ids that a caller may confuse (entity::ids): {found:#?}");
}

#[test]
fn html_is_made_in_one_place() {
    for (file, text) in super::rules::sources("service") {
        let makes = text.contains("\"text/html");
        assert!(!makes || file.starts_with("pages/"), "{file} makes HTML by itself: `service/pages` does");
    }
}

/// What rules, operations, jobs and stores still take from `web`, beside the service's parts. The list only shrinks.
const OF_WEB: [&str; 7] = [
    "directory/src/model.rs CredentialKind",
    "directory/src/ops/guard.rs IfMatch",
    "flags/src/ops.rs IfMatch",
    "invitations/src/ops.rs IfMatch",
    "modules/src/ops.rs IfMatch",
    "sign_in/src/ops/discovery.rs tenant_named",
    "webhooks/src/ops.rs IfMatch",
];

#[test]
fn rules_and_operations_know_little_of_the_web() {
    let mut found = std::collections::BTreeSet::new();
    for (file, text) in super::rules::sources("service/capability") {
        let inside = file.split("/src/").nth(1).unwrap_or_default();
        let first = inside.split(['/', '.']).next().unwrap_or_default();
        if !matches!(first, "model" | "ops" | "jobs" | "store") {
            continue;
        }
        for (at, _) in text.match_indices("web::") {
            let word =
                text[..at].chars().next_back().is_some_and(|one| one.is_alphanumeric() || "_:".contains(one));
            let rest = &text[at + "web::".len()..];
            let names = match rest.strip_prefix('{') {
                Some(many) => many.split('}').next().unwrap_or_default(),
                None => {
                    rest.split(|one: char| !one.is_alphanumeric() && one != '_').next().unwrap_or_default()
                }
            };
            let parts = ["Service", "PlatformService", "TenantService", "Tools"];
            let names = names
                .split(',')
                .map(str::trim)
                .filter(|name| !word && !name.is_empty() && !parts.contains(name));
            found.extend(names.map(|name| format!("{file} {name}")));
        }
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), OF_WEB);
}
