//! What a PATCH costs, known before it is applied: each operation may walk all values of an attribute, so a thousand
//! operations on a thousand values are a million steps.

use serde_json::Value;

use super::{MemberChange, Operation, Patch, Verb};
use crate::ScimError;
use crate::filter::Filter;
use crate::path::AttributePath;
use crate::resource::{self, Resource, VALUES_MAX};
use crate::schema::{Named, ResourceType};

/// Steps of one PATCH.
pub const STEPS_MAX: u64 = 2_000_000;
/// Bytes that are written, folded or compared in a step.
const STEP_BYTES: u64 = 64;
/// How many times as long the bytes of a text take to fold that isn't ASCII: U+FDFA becomes eighteen characters.
const FOREIGN: u64 = 256;

/// How large a resource is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Values of its longest list.
    pub values: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Those of its texts that aren't ASCII.
    pub foreign: u64,
}

impl Extent {
    /// No resource of ASCII is larger.
    pub const MOST: Self = Self { values: VALUES_MAX as u64, bytes: resource::BYTES_MAX as u64, foreign: 0 };

    /// Of a resource in canonical form.
    pub fn of(resource: &Resource) -> Self {
        fn longest(value: &Value) -> usize {
            match value {
                Value::Array(items) => items.len(),
                Value::Object(members) => members.values().map(longest).max().unwrap_or(0),
                _ => 0,
            }
        }
        let values = resource.values().map(longest).max().unwrap_or(0);
        let foreign = resource.values().map(foreign).fold(0, u64::saturating_add);
        Self { values: count(values), bytes: count(resource::bytes(resource)), foreign }
    }

    /// Steps that folding it takes, beyond those of ASCII.
    pub fn folding(self) -> u64 {
        folded(0, self.foreign) / STEP_BYTES
    }

    fn add(&mut self, values: u64, bytes: u64, foreign: u64) {
        self.values = self.values.saturating_add(values).min(Self::MOST.values);
        self.bytes = self.bytes.saturating_add(bytes);
        self.foreign = self.foreign.saturating_add(foreign);
    }
}

/// Bytes of texts that aren't ASCII.
fn foreign(value: &Value) -> u64 {
    match value {
        Value::String(text) if !text.is_ascii() => count(text.len()),
        Value::Array(items) => items.iter().map(foreign).fold(0, u64::saturating_add),
        Value::Object(members) => members.values().map(foreign).fold(0, u64::saturating_add),
        _ => 0,
    }
}

/// So many bytes as a comparison meets them, which folds them.
fn folded(bytes: u64, foreign: u64) -> u64 {
    bytes.saturating_add(foreign.saturating_mul(FOREIGN))
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

impl Patch {
    /// How many steps its operations need on a resource of this extent; members are counted by [`Patch::members_named`].
    pub fn steps(&self, kind: &ResourceType, before: Extent) -> u64 {
        let mut extent = before;
        self.operations.iter().map(|one| steps(kind, one, &mut extent)).fold(0, u64::saturating_add)
    }

    /// How many members it names.
    pub fn members_named(&self) -> usize {
        let of = |change: &MemberChange| match change {
            MemberChange::Add(ids) | MemberChange::Remove(ids) | MemberChange::Replace(ids) => ids.len(),
        };
        self.members.iter().map(of).sum()
    }

    /// Whether it needs no more steps than it may on a resource of this extent.
    ///
    /// # Errors
    /// `tooLarge`.
    pub fn check_steps(&self, kind: &ResourceType, before: Extent) -> Result<u64, ScimError> {
        let steps = self.steps(kind, before);
        if steps <= STEPS_MAX {
            return Ok(steps);
        }
        Err(ScimError::large(format!(
            "{} operations on so many values are {steps} steps, more than {STEPS_MAX}: send the values in one \
             operation, or the operations in parts.",
            self.operations.len()
        )))
    }
}

/// How an operation meets its attribute.
enum Meets {
    /// It writes a value, whatever is there.
    One,
    /// It adds to a list.
    List,
    /// It walks a list, with so many comparisons for each value.
    Each(u64),
}

fn meets(kind: &ResourceType, verb: Verb, attribute: &AttributePath, filter: Option<&Filter>) -> Meets {
    match kind.named(attribute) {
        Named::Attribute(located, sub) if located.attribute.multi => match filter {
            Some(filter) => Meets::Each(terms(filter)),
            None if sub.is_some() || verb == Verb::Remove => Meets::Each(0),
            None => Meets::List,
        },
        _ => Meets::One,
    }
}

fn steps(kind: &ResourceType, operation: &Operation, extent: &mut Extent) -> u64 {
    let (verb, value) = (operation.verb, operation.value.as_ref());
    match (&operation.path, value) {
        (Some(path), _) if !path.attribute.name.is_empty() => {
            let meets = meets(kind, verb, &path.attribute, path.filter.as_ref());
            landing(extent, &meets, value)
        }
        // Without a path, or with the name of a schema.
        (_, Some(Value::Object(members))) => named(kind, verb, members, extent),
        _ => 1,
    }
}

/// Each member's name is a path.
fn named(kind: &ResourceType, verb: Verb, members: &Resource, extent: &mut Extent) -> u64 {
    let one = |(name, value): (&String, &Value)| match (AttributePath::parse(name), value) {
        (Some(path), Value::Object(members)) if path.name.is_empty() => named(kind, verb, members, extent),
        (Some(path), _) => landing(extent, &meets(kind, verb, &path, None), Some(value)),
        (None, _) => 1,
    };
    members.iter().map(one).fold(0, u64::saturating_add)
}

/// What an operation costs where it lands.
fn landing(extent: &mut Extent, meets: &Meets, value: Option<&Value>) -> u64 {
    let values = value.and_then(Value::as_array).map_or(1, |items| count(items.len()));
    let bytes = value.map_or(0, |value| count(resource::value_bytes(value)));
    let foreign = value.map_or(0, foreign);
    let taken = 2 + values + folded(bytes, foreign) / STEP_BYTES;
    let walked = match meets {
        Meets::One => 0,
        Meets::List => {
            let walked = extent.values / 8;
            extent.add(values, bytes, foreign);
            walked
        }
        Meets::Each(terms) => {
            let scan = extent.values + folded(extent.bytes, extent.foreign) / STEP_BYTES;
            // What is put is put into each of them.
            let put = extent.values.saturating_mul(1 + bytes / STEP_BYTES);
            let times = extent.values.max(1);
            extent.add(1, bytes.saturating_mul(times), foreign.saturating_mul(times));
            (terms + 1).saturating_mul(scan).saturating_add(put)
        }
    };
    taken.saturating_add(walked)
}

fn terms(filter: &Filter) -> u64 {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => terms(left) + terms(right),
        Filter::Not(inner) | Filter::Element(_, inner) => terms(inner),
        Filter::Present(_) | Filter::Compare(..) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Document;
    use crate::patch::{apply, parse};
    use crate::schema::{GROUPS, USERS};
    use crate::{ErrorType, Profile};

    fn patch(operations: &Value) -> Patch {
        let body = json!({"Operations": operations}).to_string();
        parse(&USERS, &Document::parse(body.as_bytes()).unwrap(), Profile::Compat).unwrap()
    }

    fn many(count: usize, operation: impl Fn(usize) -> Value) -> Value {
        (0..count).map(operation).collect()
    }

    fn emails(from: usize, count: usize) -> Value {
        (from..from + count).map(|n| json!({"value": format!("{n}@example.com")})).collect()
    }

    fn steps(operations: &Value, before: Extent) -> (u64, bool) {
        let patch = patch(operations);
        (patch.steps(&USERS, before), patch.check_steps(&USERS, before).is_ok())
    }

    #[test]
    fn what_clients_send_is_cheap() {
        let none = Extent::default();
        let full = Extent::MOST;
        for (what, operations, before) in [
            (
                "Entra's update of all attributes",
                many(
                    40,
                    |_| json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"}),
                ),
                none,
            ),
            (
                "a thousand attributes",
                many(1_000, |_| json!({"op": "replace", "path": "name.givenName", "value": "a"})),
                none,
            ),
            (
                "a thousand values, one by one",
                many(1_000, |n| json!({"op": "add", "path": "emails", "value": emails(n, 1)})),
                none,
            ),
            (
                "filters on a resource as large as can be",
                many(
                    50,
                    |_| json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"}),
                ),
                full,
            ),
            (
                "900 times 20 values",
                many(900, |n| json!({"op": "add", "path": "emails", "value": emails(n * 20, 15)})),
                none,
            ),
        ] {
            let (steps, fits) = steps(&operations, before);
            assert!(steps <= STEPS_MAX && fits, "{what}: {steps}");
        }
    }

    #[test]
    fn the_example_of_the_limits_is_right() {
        let user = json!({"userName": "a", "emails": emails(0, 900)});
        let before = Extent::of(user.as_object().unwrap());
        assert!((25 << 10..26 << 10).contains(&before.bytes), "{before:?}");
        let removals = |count: usize| {
            many(count, |n| json!({"op": "remove", "path": format!("emails[value eq \"{n}@example.com\"]")}))
        };
        let (one, _) = steps(&removals(1), before);
        assert!((3_450..3_550).contains(&one), "{one}");
        let (thousand, fits) = steps(&removals(1_000), before);
        assert!(thousand >= 3_500_000 && !fits, "{thousand}");
        assert!(steps(&removals(500), before).1);
    }

    #[test]
    fn a_text_that_unfolds_is_a_product() {
        let text = "\u{fdfa}".repeat(2_600);
        let roles: Value = (0..7).map(|n| json!({"value": format!("q{n}{text}")})).collect();
        let user = json!({"userName": "a", "roles": roles});
        let before = Extent::of(user.as_object().unwrap());
        let or = vec!["value co \"a\""; 64].join(" or ");
        for (what, count, filter) in [("many", 370, "value co \"a\""), ("long", 12, or.as_str())] {
            let path = format!("roles[{filter}].display");
            let operations = many(count, |_| json!({"op": "replace", "path": path, "value": "x"}));
            let (steps, fits) = steps(&operations, before);
            assert!(steps > STEPS_MAX && !fits, "{what}: {steps}");
        }
        let names = json!({"userName": "田中", "name": {"familyName": "田中", "givenName": "太郎"}, "emails": emails(0, 3)});
        let before = Extent::of(names.as_object().unwrap());
        let operations =
            many(40, |_| json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"}));
        assert!(steps(&operations, before).1, "and names of everywhere are none");
    }

    #[test]
    fn a_product_is_not() {
        let full = Extent::MOST;
        let long = "x".repeat(3_000);
        let or = vec![r#"value eq "a""#; 60].join(" or ");
        for (what, operations, before) in [
            (
                "a thousand filters on a thousand values",
                many(
                    1_000,
                    |_| json!({"op": "replace", "path": "emails[value sw \"a\"].display", "value": "a"}),
                ),
                full,
            ),
            (
                "sixty comparisons in each filter",
                many(200, |_| json!({"op": "remove", "path": format!("emails[{or}]")})),
                full,
            ),
            (
                "a long text into each value",
                many(1_000, |_| json!({"op": "add", "path": "emails.display", "value": long})),
                full,
            ),
            (
                "the same without a path",
                many(1_000, |_| json!({"op": "add", "value": {"emails.display": long}})),
                full,
            ),
            (
                "the same under the schema's name",
                many(
                    1_000,
                    |_| json!({"op": "add", "path": USERS.schema.urn, "value": {"emails.display": long}}),
                ),
                full,
            ),
            (
                "all values away, again and again",
                many(1_000, |_| json!({"op": "remove", "path": "emails", "value": emails(0, 1)})),
                full,
            ),
        ] {
            let (steps, fits) = steps(&operations, before);
            assert!(steps > STEPS_MAX && !fits, "{what}: {steps}");
        }
    }

    #[test]
    fn a_product_that_could_be_sent_is_refused_by_its_size() {
        let body = |values: usize| {
            let operations =
                many(900, |n| json!({"op": "add", "path": "emails", "value": emails(n * values, values)}));
            json!({"Operations": operations}).to_string()
        };
        let refused = Document::parse(body(900).as_bytes()).unwrap_err();
        assert_eq!(refused.kind, ErrorType::TooLarge);
        let fits = body(30);
        let fits = parse(&USERS, &Document::parse(fits.as_bytes()).unwrap(), Profile::Compat);
        assert_eq!(
            fits.map(|_| ()).unwrap_err().kind,
            ErrorType::TooLarge,
            "values that aren't members are a tree"
        );
    }

    #[test]
    fn a_list_grows_to_its_bound_and_no_further() {
        let before = json!({"userName": "a"}).as_object().cloned().unwrap();
        let run = |operations: Value| apply(&USERS, &before, &patch(&operations).operations, Profile::Compat);
        let full = run(many(10, |n| json!({"op": "add", "path": "emails", "value": emails(n * 100, 100)})));
        assert_eq!(full.unwrap()["emails"].as_array().unwrap().len(), 1_000);
        let again =
            run(many(20, |n| json!({"op": "add", "path": "emails", "value": emails(n % 10 * 100, 100)})));
        assert_eq!(again.unwrap()["emails"].as_array().unwrap().len(), 1_000, "equal values fall together");
        let over = run(many(11, |n| json!({"op": "add", "path": "emails", "value": emails(n * 100, 100)})));
        assert_eq!(over.unwrap_err().kind, ErrorType::InvalidValue);
        let large = run(many(
            100,
            |n| json!({"op": "add", "path": "emails", "value": [{"value": format!("{n}{}", "x".repeat(4_000))}]}),
        ));
        assert_eq!(large.unwrap_err().kind, ErrorType::TooLarge);
    }

    #[test]
    fn members_are_counted() {
        let body = json!({"Operations": [
            {"op": "add", "path": "members", "value": emails(0, 3)},
            {"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"},
            {"op": "replace", "value": {"members": emails(0, 2), "displayName": "x"}},
        ]});
        let body = body.to_string();
        let patch = parse(&GROUPS, &Document::parse(body.as_bytes()).unwrap(), Profile::Compat).unwrap();
        assert_eq!((patch.members_named(), patch.operations.len()), (7, 1));
    }

    #[test]
    fn an_extent_is_the_longest_list_wherever_it_stands() {
        let resource = json!({"userName": "a", "emails": [1, 2], "urn:x": {"list": [1, 2, 3]}});
        let extent = Extent::of(resource.as_object().unwrap());
        assert_eq!(extent.values, 3);
        assert!((30..100).contains(&extent.bytes), "{extent:?}");
    }
}
