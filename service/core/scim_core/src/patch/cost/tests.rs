//! What a PATCH costs: what clients send is cheap, products are refused.

use serde_json::json;

use super::*;
use crate::document::Document;
use crate::patch::tests::read;
use crate::patch::{apply, parse};
use crate::schema::{GROUPS, USERS};
use crate::{ErrorType, Profile};

fn patch(operations: &Value) -> Patch {
    read(&USERS, &json!({"Operations": operations}), Profile::Compat).unwrap()
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
            many(40, |_| json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"})),
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
            many(50, |_| json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"})),
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
            many(1_000, |_| json!({"op": "replace", "path": "emails[value sw \"a\"].display", "value": "a"})),
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
            many(300, |n| json!({"op": "add", "path": "emails", "value": emails(n * values, values)}));
        json!({"Operations": operations}).to_string()
    };
    let refused = Document::parse(body(900).as_bytes()).unwrap_err();
    assert_eq!(refused.kind, ErrorType::TooLarge);
    let fits = body(90);
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
    let again = run(many(20, |n| json!({"op": "add", "path": "emails", "value": emails(n % 10 * 100, 100)})));
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
    let patch = read(&GROUPS, &body, Profile::Compat).unwrap();
    assert_eq!((patch.members_named(), patch.operations.len()), (7, 1));
}

#[test]
fn an_extent_is_the_longest_list_wherever_it_stands() {
    let resource = json!({"userName": "a", "emails": [1, 2], "urn:x": {"list": [1, 2, 3]}});
    let extent = Extent::of(resource.as_object().unwrap());
    assert_eq!(extent.values, 3);
    assert!((30..100).contains(&extent.bytes), "{extent:?}");
}

const SOME: Extent = Extent { values: 80, bytes: 6400, foreign: 64 };

#[test]
fn every_operation_has_its_price() {
    let long = "x".repeat(61);
    let accents = "é".repeat(20);
    let eight: Value = (0..8).map(|n| json!({"value": n.to_string()})).collect();
    let put = |path: &str, value: &str| json!({"op": "replace", "path": path, "value": value});
    let remove = |path: &str| json!({"op": "remove", "path": path});
    let add = |value: &Value| json!({"op": "add", "path": "emails", "value": value});
    let unnamed = |value: Value| json!({"op": "add", "value": value});
    let enterprise = crate::schema::ENTERPRISE_URN;
    let or = r#"emails[type eq "a" or type eq "b"].display"#;
    let one = r#"emails[type eq "a"].display"#;
    for (operations, before, expected) in [
        // Two, one for the value, one for its 64 bytes.
        (json!([put("title", &long)]), SOME, 4),
        // 43 bytes, of which 40 count for 256 each.
        (json!([put("title", &accents)]), SOME, 163),
        // An eighth of the list is walked, which has eight more values the second time, or as many as it may have.
        (json!([add(&eight)]), SOME, 11 + 10),
        (json!([add(&eight), add(&eight)]), SOME, 11 + 10 + 11 + 11),
        (json!([add(&eight), add(&eight)]), Extent::MOST, 11 + 125 + 11 + 125),
        (json!([add(&json!([{"value": accents}])), remove("emails")]), SOME, 173 + 681),
        // Each value and its bytes: 80 + (6400 + 64 * 256) / 64 = 436, once for each comparison and once more.
        (json!([remove("emails")]), SOME, 3 + 436 + 80),
        (json!([remove("emails.display")]), SOME, 3 + 436 + 80),
        (json!([remove("emails[type eq \"a\"]")]), SOME, 3 + 2 * 436 + 80),
        (json!([remove("emails[not (type pr)]")]), SOME, 3 + 2 * 436 + 80),
        (json!([remove("emails[type pr and display pr]")]), SOME, 3 + 3 * 436 + 80),
        (json!([put(or, &long)]), SOME, 4 + 3 * 436 + 160),
        (json!([put(or, &long), remove("emails")]), SOME, 4 + 3 * 436 + 160 + 601),
        (json!([put(one, &accents), remove("emails")]), SOME, 163 + 2 * 436 + 80 + 13_374),
        (json!([put(one, &long), remove("emails")]), Extent::default(), 4 + 6),
        (json!([unnamed(json!({"title": long, "a b": 1}))]), SOME, 4 + 1),
        (json!([unnamed(json!({enterprise: {"department": long}}))]), SOME, 4),
        (json!([{"op": "add", "path": enterprise, "value": {"department": long}}]), SOME, 4),
        (json!([{"op": "add", "path": enterprise, "value": long}]), SOME, 1),
        (json!([remove(enterprise)]), SOME, 1),
    ] {
        assert_eq!(steps(&operations, before), (expected, true), "{operations}");
    }
}

#[test]
fn two_million_steps_are_enough() {
    let all = patch(&json!([{"op": "remove", "path": "emails"}]));
    let extent = |bytes: u64| Extent { bytes, ..Extent::default() };
    assert_eq!(all.check_steps(&USERS, extent(64 * 1_999_997)), Ok(2_000_000));
    let over = all.check_steps(&USERS, extent(64 * 1_999_998)).unwrap_err();
    assert_eq!(over.kind, ErrorType::TooLarge);
}

#[test]
fn an_extent_counts_values_bytes_and_what_is_not_ascii() {
    let resource = json!({"userName": "é", "urn:x": {"list": ["a", "é"]}, "active": true});
    let extent = Extent::of(resource.as_object().unwrap());
    assert_eq!(extent, Extent { values: 2, bytes: 49 + 18, foreign: 4 });
    for (foreign, folding) in [(0, 0), (1, 4), (64, 256)] {
        assert_eq!(Extent { foreign, ..Extent::default() }.folding(), folding);
    }
}
