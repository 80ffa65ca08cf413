//! Every route that changes something says which audit record it leaves: `records.out` has a line for each, and what a walk does is
//! compared with it.

use std::collections::BTreeSet;

use reqwest::Method;
use tests::TestApp;

/// Routes that leave no record, each with its reason in the list: one more needs a reason that a reviewer takes.
const WITHOUT: usize = 21;

/// A route, and what it records: one of these actions, or nothing, for a reason.
pub(super) struct Line {
    pub(super) route: (&'static str, &'static str),
    actions: Vec<&'static str>,
}

pub(super) fn lines() -> Vec<Line> {
    let line = |line: &'static str| {
        let mut words = line.split_whitespace();
        let (method, pattern) = (words.next().expect("a method"), words.next().expect("a pattern"));
        let mut actions: Vec<_> = words.collect();
        assert!(!actions.is_empty(), "{line}: an action, or `none: ` and why");
        if actions[0] == "none:" {
            assert!(actions.len() > 1, "{line}: why?");
            actions.clear();
        }
        Line { route: (method, pattern), actions }
    };
    include_str!("records.out").lines().map(line).collect()
}

#[test]
fn every_route_that_changes_something_says_what_it_records() {
    let routes = tenantry::routes();
    let writes = routes.iter().filter(|route| !route.method.is_safe());
    let served: BTreeSet<_> = writes.map(|route| (route.method.as_str(), route.pattern)).collect();
    let lines = lines();
    let listed: BTreeSet<_> = lines.iter().map(|line| line.route).collect();
    let unlisted: Vec<_> = served.difference(&listed).collect();
    assert!(unlisted.is_empty(), "give them a line in tests/it/guards/records.out: {unlisted:#?}");
    let gone: Vec<_> = listed.difference(&served).collect();
    assert!(gone.is_empty(), "these routes are gone from the service: {gone:#?}");
    assert_eq!(lines.len(), listed.len(), "a route is listed twice");
    for action in lines.iter().flat_map(|line| &line.actions) {
        let is_recorded = tests::ACTIONS.lines().any(|one| one == *action);
        assert!(is_recorded, "{action} is not in tests/it/guards/actions.out");
    }
    let without = lines.iter().filter(|line| line.actions.is_empty()).count();
    assert_eq!(without, WITHOUT, "the lines of records.out with `none: why`; the number only falls");
}

/// Whether a path is one of the pattern's.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(wanted, word)| wanted.starts_with('{') || wanted == word)
}

/// The line of a call: a word counts for more than a parameter at the same place.
fn line_of<'a>(lines: &'a [Line], method: &Method, path: &str) -> &'a Line {
    let fitting = lines.iter().filter(|line| line.route.0 == method.as_str() && fits(line.route.1, path));
    let best = fitting.min_by_key(|line| line.route.1.matches('{').count());
    best.unwrap_or_else(|| panic!("{method} {path} has no line"))
}

/// Refuses a write without its record; answers the routes that were called with success and left theirs.
pub(super) async fn left_by(app: &TestApp) -> BTreeSet<(&'static str, &'static str)> {
    let (lines, mut seen, mut broken) = (lines(), BTreeSet::new(), Vec::new());
    for (method, path, left) in app.writes().await {
        let line = line_of(&lines, &method, &path);
        let is_recorded = line.actions.iter().any(|action| left.iter().any(|one| one == action));
        if !is_recorded && !line.actions.is_empty() {
            broken.push(format!("{method} {path} recorded {left:?}, promised is one of {:?}", line.actions));
        }
        seen.insert(line.route);
    }
    assert!(broken.is_empty(), "{broken:#?}");
    seen
}

/// The routes that promise a record and aren't among those that were called.
pub(super) fn not_among(called: &BTreeSet<(&str, &str)>) -> Vec<String> {
    let promised = lines().into_iter().filter(|line| !line.actions.is_empty());
    let missing = promised.filter(|line| !called.contains(&line.route));
    missing.map(|line| format!("{} {}", line.route.0, line.route.1)).collect()
}
