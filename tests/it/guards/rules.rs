//! What counts rows and then decides stands under a rule, so that what it counted is still true when it commits.

use std::path::{Path, PathBuf};

use platform::rules::Rule;

/// Functions that count rows and decide nothing by it, or hold another lock, and why.
const OTHERS: [(&str, &str, &str); 9] = [
    ("scim/src/store/requests.rs", "newest_beyond", "finds what is removed; nothing is refused by it"),
    ("directory/src/store/roles.rs", "admins", "the query; who decides holds Rule::LastAdmin"),
    ("directory/src/store/search.rs", "of", "says how long a list is"),
    ("directory/src/store/reach.rs", "population_text", "prices a search; the price is what is bounded"),
    ("invitations/src/http.rs", "list_invitations", "shows how many there are"),
    ("invitations/src/http/batches.rs", "progress", "shows how many there are"),
    (
        "webhooks/src/jobs.rs",
        "rows_per_event",
        "measures how much one transaction may take; nothing is refused by it",
    ),
    ("directory/src/store/users.rs", "count_active", "the query; who decides holds the row of the guard"),
    ("sessions/src/ops.rs", "older", "the query; who ends sessions by it holds Rule::Sessions"),
];

/// The sources below a folder, without their tests.
pub(super) fn sources(below: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a root").join(below);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path: PathBuf = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((name, text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()));
            }
        }
    }
    found.sort();
    found
}

/// A file's functions: name and text.
fn functions(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let words = line.trim_start();
        let name = ["pub ", "pub(crate) ", "pub(super) ", "async ", "fn "]
            .iter()
            .any(|start| words.starts_with(start))
            .then(|| words.split_once("fn "))
            .flatten()
            .map(|(_, rest)| rest.split(['(', '<']).next().unwrap_or_default().to_owned());
        match (name, all.last_mut()) {
            (Some(name), _) => all.push((name, line.to_owned())),
            (None, Some((_, body))) => {
                body.push('\n');
                body.push_str(line);
            }
            (None, None) => {}
        }
    }
    all
}

/// Whether a function asks the store how many rows there are, or compares what it has read with a bound.
fn counts(body: &str) -> bool {
    let asks = ["tx.count(", "view.count(", "on.count("].iter().any(|call| body.contains(call));
    let compares = body.lines().any(|line| line.contains(".len() as u64 >="));
    let by_hand = body.contains("SELECT COUNT(*)") && !body.contains("GROUP BY");
    // What stands beyond a number is counted, too.
    let skips = body.contains(".offset(") || body.contains("OFFSET {");
    asks || compares || by_hand || skips
}

#[test]
fn what_counts_and_decides_takes_its_rule() {
    let mut exceptions = Vec::new();
    for (file, text) in sources("service/capability") {
        for (name, body) in functions(&text).into_iter().filter(|(_, body)| counts(body)) {
            if OTHERS.iter().any(|(where_, what, _)| *where_ == file && *what == name) {
                exceptions.push((file.clone(), name));
                continue;
            }
            let first =
                ["tx.count(", "view.count(", "on.count(", ".len() as u64 >=", "SELECT COUNT(*)", ".offset("];
            let counted = first.iter().filter_map(|text| body.find(text)).min().unwrap_or(0);
            let taken = body.find(".exclusive(Rule::");
            assert!(
                taken.is_some_and(|taken| taken < counted),
                "{file}: {name} counts before it takes a rule"
            );
        }
    }
    assert_eq!(exceptions.len(), OTHERS.len(), "an exception that is none any more: {exceptions:?}");
}

#[test]
fn every_rule_is_taken_somewhere() {
    let all = sources("service/capability");
    for rule in Rule::ALL {
        let taken = [".exclusive(", ".spend(", "check_limit(tx,"].iter().any(|call| {
            let wanted = format!("{call}Rule::{rule:?},");
            let is_taken = |text: &str| {
                let text: String = text.split_whitespace().collect();
                text.contains(&wanted)
            };
            all.iter().any(|(_, text)| is_taken(text))
        });
        assert!(taken, "nothing takes {rule:?}");
    }
}
