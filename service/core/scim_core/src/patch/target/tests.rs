//! What a path of a PATCH means (RFC 7644, section 3.5.2).

use serde_json::json;

use super::*;
use crate::patch::tests::patched;

/// A user after one operation: without what every user has.
fn after(before: &Value, operation: &Value, profile: Profile) -> Result<Value, ErrorType> {
    let mut before = before.clone();
    before["userName"] = json!("u");
    let mut after = patched(&before, &json!([operation]), profile)?;
    after.as_object_mut().unwrap().remove("userName");
    Ok(after)
}

/// Rows of what is there, an operation, and what is there afterwards, under both profiles.
fn check(rows: Vec<(Value, Value, Result<Value, ErrorType>)>) {
    for (before, operation, expected) in rows {
        for profile in [Profile::Compat, Profile::Rfc] {
            assert_eq!(after(&before, &operation, profile), expected, "{profile:?}: {operation}");
        }
    }
}

fn work() -> Value {
    json!({"type": "work", "value": "w", "primary": true})
}

fn home() -> Value {
    json!({"type": "home", "value": "h"})
}

fn both() -> Value {
    json!({"emails": [work(), home()]})
}

/// RFC 7644, section 3.5.2.1.
#[test]
fn add_puts_values_beside_those_that_are_there() {
    check(vec![
        (json!({}), json!({"op": "add", "path": "title", "value": "x"}), Ok(json!({"title": "x"}))),
        (
            json!({"title": "o"}),
            json!({"op": "add", "path": "title", "value": "x"}),
            Ok(json!({"title": "x"})),
        ),
        (
            json!({"title": "o"}),
            json!({"op": "add", "path": "title", "value": null}),
            Ok(json!({"title": "o"})),
        ),
        (
            json!({"name": {"familyName": "F", "givenName": "o"}}),
            json!({"op": "add", "path": "name", "value": {"givenName": "G"}}),
            Ok(json!({"name": {"familyName": "F", "givenName": "G"}})),
        ),
        (
            json!({"emails": [work()]}),
            json!({"op": "add", "path": "emails", "value": [home(), work()]}),
            Ok(json!({"emails": [{"type": "work", "value": "w", "primary": false}, home(), work()]})),
        ),
        (json!({"emails": [work()]}), json!({"op": "add", "path": "emails", "value": [home()]}), Ok(both())),
        (both(), json!({"op": "add", "path": "emails", "value": [home()]}), Ok(both())),
        (
            both(),
            json!({"op": "add", "path": "emails[type eq \"home\"]", "value": {"display": "H"}}),
            Ok(json!({"emails": [work(), {"type": "home", "value": "h", "display": "H"}]})),
        ),
        (
            both(),
            json!({"op": "add", "path": "emails.display", "value": "D"}),
            Ok(json!({"emails": [
                {"type": "work", "value": "w", "primary": true, "display": "D"},
                {"type": "home", "value": "h", "display": "D"},
            ]})),
        ),
    ]);
}

/// RFC 7644, section 3.5.2.3; what becomes primary takes it from the others (section 3.5.2).
#[test]
fn replace_puts_values_in_the_place_of_those_that_are_there() {
    let name = json!({"name": {"familyName": "F", "givenName": "o"}});
    check(vec![
        (json!({}), json!({"op": "replace", "path": "title", "value": "x"}), Ok(json!({"title": "x"}))),
        (json!({"title": "o"}), json!({"op": "replace", "path": "title", "value": null}), Ok(json!({}))),
        (
            name.clone(),
            json!({"op": "replace", "path": "name", "value": {"givenName": "G"}}),
            Ok(json!({"name": {"familyName": "F", "givenName": "G"}})),
        ),
        (
            name,
            json!({"op": "replace", "path": "name.givenName", "value": "G"}),
            Ok(json!({"name": {"familyName": "F", "givenName": "G"}})),
        ),
        (
            both(),
            json!({"op": "replace", "path": "emails", "value": [home()]}),
            Ok(json!({"emails": [home()]})),
        ),
        // An empty array is unassigned (RFC 7643, section 2.5).
        (both(), json!({"op": "replace", "path": "emails", "value": []}), Ok(json!({}))),
        (
            both(),
            json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "n"}}),
            Ok(json!({"emails": [{"value": "n"}, home()]})),
        ),
        (
            both(),
            json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "n"}),
            Ok(json!({"emails": [{"type": "work", "value": "n", "primary": true}, home()]})),
        ),
        (
            both(),
            json!({"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}),
            Ok(json!({"emails": [
                {"type": "work", "value": "w", "primary": false},
                {"type": "home", "value": "h", "primary": true},
            ]})),
        ),
        (
            json!({"name": {"givenName": "o"}}),
            json!({"op": "replace", "path": "name[givenName pr]", "value": {"givenName": "G"}}),
            Err(ErrorType::InvalidPath),
        ),
        (
            both(),
            json!({"op": "replace", "path": "emails[colour eq \"red\"].value", "value": "n"}),
            Err(ErrorType::InvalidFilter),
        ),
    ]);
}

/// RFC 7644, section 3.5.2.2. A value beside the path is Entra's: it says which values go.
#[test]
fn remove_takes_away_what_is_named_and_nothing_else() {
    let remove = |path: &str| json!({"op": "remove", "path": path});
    let remove_value = |value: Value| json!({"op": "remove", "path": "emails", "value": value});
    let name = |parts: Value| json!({"name": parts});
    let just_work = || Ok(json!({"emails": [work()]}));
    check(vec![
        (json!({"title": "o", "active": true}), remove("title"), Ok(json!({"active": true}))),
        (json!({}), remove("title"), Ok(json!({}))),
        (both(), remove("emails"), Ok(json!({}))),
        (both(), remove("emails[type eq \"home\"]"), just_work()),
        (json!({"emails": [home()]}), remove("emails[type eq \"home\"]"), Ok(json!({}))),
        (
            both(),
            remove("emails[type eq \"work\"].primary"),
            Ok(json!({"emails": [
            {"type": "work", "value": "w"}, home()]})),
        ),
        (
            json!({"emails": [{"value": "w"}, home()]}),
            remove("emails.value"),
            Ok(json!({"emails": [{"type": "home"}]})),
        ),
        (
            name(json!({"givenName": "G", "familyName": "F"})),
            remove("name.givenName"),
            Ok(name(json!({"familyName": "F"}))),
        ),
        (name(json!({"givenName": "G"})), remove("name.givenName"), Ok(json!({}))),
        (both(), remove_value(Value::Null), Ok(json!({}))),
        (both(), remove_value(json!([{"value": "h"}])), just_work()),
        (both(), remove_value(json!([home()])), just_work()),
        (both(), remove_value(json!([{"type": "work", "value": "h"}])), Ok(both())),
        (both(), remove_value(json!([{"type": "home"}])), Ok(both())),
    ]);
}

/// RFC 7644, section 3.5.2.3: `noTarget`. Entra expects that the value is made, with what the filter says of it.
#[test]
fn a_value_that_no_filter_finds_is_made_for_tolerance_only() {
    for (filter, made) in [
        ("type eq \"work\"", json!({"type": "work", "value": "n"})),
        ("TYPE eq \"work\"", json!({"type": "work", "value": "n"})),
        ("type eq \"work\" and display eq \"W\"", json!({"type": "work", "display": "W", "value": "n"})),
        ("type eq \"work\" or type eq \"other\"", json!({"value": "n"})),
        ("type sw \"w\"", json!({"value": "n"})),
        ("not (type eq \"home\")", json!({"value": "n"})),
    ] {
        for verb in ["add", "replace"] {
            let operation = json!({"op": verb, "path": format!("emails[{filter}].value"), "value": "n"});
            let before = json!({"emails": [home()]});
            let compat = after(&before, &operation, Profile::Compat);
            assert_eq!(compat, Ok(json!({"emails": [home(), made]})), "{filter}");
            assert_eq!(after(&before, &operation, Profile::Rfc), Err(ErrorType::NoTarget), "{filter}");
        }
    }
    let cleared = json!({"op": "add", "path": "title", "value": ""});
    let before = json!({"title": "o"});
    assert_eq!(after(&before, &cleared, Profile::Compat), Ok(before.clone()), "nothing is added");
}
