//! PATCH as RFC 7644, section 3.5.2 has it, and as clients send it.

use serde_json::json;

use super::*;
use crate::ErrorType::{InvalidFilter, InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget};
use crate::schema::{ENTERPRISE_URN, GROUPS, USERS};

/// A request, as it is read.
pub(super) fn read(kind: &ResourceType, body: &Value, profile: Profile) -> Result<Patch, ErrorType> {
    let body = body.to_string();
    let patch = Document::parse(body.as_bytes()).and_then(|body| parse(kind, &body, profile));
    patch.map_err(|error| error.kind)
}

/// A user after the operations of a request.
pub(super) fn patched(before: &Value, operations: &Value, profile: Profile) -> Result<Value, ErrorType> {
    let patch = read(&USERS, &json!({"Operations": operations}), profile)?;
    let after = apply(&USERS, before.as_object().unwrap(), &patch.operations, profile);
    after.map(Value::Object).map_err(|error| error.kind)
}

/// The only operation of a request.
fn one(operation: &Value, profile: Profile) -> Result<Operation, ErrorType> {
    let mut patch = read(&USERS, &json!({"Operations": [operation]}), profile)?;
    Ok(patch.operations.remove(0))
}

/// RFC 7644, section 3.5.2: the verb, the path, the value.
#[test]
fn an_operation_has_a_verb_perhaps_a_path_and_a_value() {
    let title = || Some(Path::parse("title", Profile::Rfc).unwrap());
    for (operation, verb, path, value) in [
        (json!({"op": "add", "path": "title", "value": "x"}), Verb::Add, title(), Some(json!("x"))),
        (json!({"op": "replace", "path": "title", "value": null}), Verb::Replace, title(), Some(json!(null))),
        (json!({"op": "remove", "path": "title"}), Verb::Remove, title(), None),
        (json!({"op": "Remove", "path": "title"}), Verb::Remove, title(), None),
        (json!({"OP": "REPLACE", "PATH": "title", "VALUE": 1}), Verb::Replace, title(), Some(json!(1))),
        (json!({"op": "add", "value": {"title": "x"}}), Verb::Add, None, Some(json!({"title": "x"}))),
        (json!({"op": "add", "path": null, "value": {}}), Verb::Add, None, Some(json!({}))),
    ] {
        let expected = Operation { verb, path, value };
        for profile in [Profile::Compat, Profile::Rfc] {
            assert_eq!(one(&operation, profile), Ok(expected.clone()), "{operation}");
        }
    }
    let empty = json!({"op": "add", "path": "", "value": {}});
    assert_eq!(one(&empty, Profile::Compat).unwrap().path, None);
    assert_eq!(one(&empty, Profile::Rfc).unwrap_err(), InvalidPath);
}

/// RFC 7644, sections 3.5.2, 3.5.2.2 and 3.12.
#[test]
fn what_is_no_operation_is_refused_by_its_keyword() {
    for (operation, expected) in [
        (json!({}), InvalidSyntax),
        (json!({"path": "title", "value": "x"}), InvalidSyntax),
        (json!({"op": "move", "path": "title", "value": "x"}), InvalidSyntax),
        (json!({"op": 1, "path": "title", "value": "x"}), InvalidSyntax),
        (json!({"op": "remove"}), NoTarget),
        (json!({"op": "remove", "value": {"title": "x"}}), NoTarget),
        (json!({"op": "add", "path": "title"}), InvalidValue),
        (json!({"op": "replace", "path": "title"}), InvalidValue),
        (json!({"op": "add"}), InvalidValue),
        (json!({"op": "add", "value": "x"}), InvalidValue),
        (json!({"op": "replace", "value": [{"title": "x"}]}), InvalidValue),
        (json!({"op": "add", "path": 1, "value": "x"}), InvalidPath),
        (json!({"op": "add", "path": "a b", "value": "x"}), InvalidPath),
        (json!({"op": "add", "path": "emails[type xx 1]", "value": "x"}), InvalidFilter),
    ] {
        for profile in [Profile::Compat, Profile::Rfc] {
            assert_eq!(one(&operation, profile), Err(expected), "{operation}");
        }
    }
    for body in [json!({}), json!({"Operations": {}}), json!({"Operations": [1]}), json!({"Operations": []})]
    {
        assert_eq!(read(&USERS, &body, Profile::Compat), Err(InvalidSyntax), "{body}");
    }
    let many = |count: usize| json!({"Operations": vec![json!({"op": "remove", "path": "title"}); count]});
    assert_eq!(read(&USERS, &many(1000), Profile::Rfc).unwrap().operations.len(), 1000);
    assert_eq!(read(&USERS, &many(1001), Profile::Rfc), Err(InvalidSyntax));
}

/// A group's members apart from its attributes. Sub-attributes of a member are immutable (RFC 7643, section 4.2).
#[test]
fn member_changes_are_taken_out_of_a_groups_operations() {
    let ids = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let a = json!([{"value": "a"}]);
    for (operations, attributes, members) in [
        (json!([{"op": "add", "path": "MEMBERS", "value": a}]), 0, vec![MemberChange::Add(ids(&["a"]))]),
        (json!([{"op": "add", "value": {"Members": a}}]), 0, vec![MemberChange::Add(ids(&["a"]))]),
        (
            json!([{"op": "replace", "path": "members", "value": a}]),
            0,
            vec![MemberChange::Replace(ids(&["a"]))],
        ),
        (
            json!([{"op": "replace", "path": "members", "value": null}]),
            0,
            vec![MemberChange::Replace(vec![])],
        ),
        (json!([{"op": "remove", "path": "members", "value": null}]), 0, vec![MemberChange::Replace(vec![])]),
        (
            json!([{"op": "remove", "path": "members[VALUE eq \"a\" or value eq \"b\"]"}, {"op": "remove", "path": "members", "value": {"value": "c"}}]),
            0,
            vec![MemberChange::Remove(ids(&["a", "b", "c"]))],
        ),
        (
            json!([{"op": "replace", "path": "members", "value": a}, {"op": "replace", "path": "members", "value": a}]),
            0,
            vec![MemberChange::Replace(ids(&["a"])), MemberChange::Replace(ids(&["a"]))],
        ),
        (json!([{"op": "add", "path": "displayName", "value": "x"}]), 1, vec![]),
        (
            json!([{"op": "replace", "value": {"members": a, "displayName": "x"}}]),
            1,
            vec![MemberChange::Replace(ids(&["a"]))],
        ),
    ] {
        let patch = read(&GROUPS, &json!({"Operations": operations}), Profile::Rfc).unwrap();
        assert_eq!((patch.operations.len(), patch.members), (attributes, members), "{operations}");
    }
    let both = json!({"Operations": [{"op": "replace", "value": {"members": a, "displayName": "x"}}]});
    let rest = read(&GROUPS, &both, Profile::Rfc).unwrap().operations.remove(0).value;
    assert_eq!(rest, Some(json!({"displayName": "x"})));
    for (operation, expected) in [
        (json!({"op": "replace", "path": "members.display", "value": "x"}), Mutability),
        (json!({"op": "remove", "path": "members[value eq \"a\"].display"}), Mutability),
        (json!({"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "b"}}), Mutability),
        (json!({"op": "remove", "path": "members[display eq \"a\"]"}), InvalidFilter),
        (json!({"op": "remove", "path": "members[value sw \"a\"]"}), InvalidFilter),
        (json!({"op": "remove", "path": "members[value eq \"a\" and value eq \"b\"]"}), InvalidFilter),
        (json!({"op": "add", "path": "members", "value": [1]}), InvalidValue),
    ] {
        let refused = read(&GROUPS, &json!({"Operations": [operation]}), Profile::Rfc);
        assert_eq!(refused.unwrap_err(), expected, "{operation}");
    }
}

/// A user after one operation.
fn after(operation: &Value, profile: Profile) -> Result<Value, ErrorType> {
    let before = json!({"userName": "u", "title": "o", (ENTERPRISE_URN): {"department": "d", "manager": {"value": "m"}}});
    patched(&before, &json!([operation]), profile)
}

/// A row: an operation, the title and the extension after it, or the refusal; for tolerance, and by the norm.
type Row = (Value, Result<Value, ErrorType>, Result<Value, ErrorType>);

fn all(title: &str, extension: &Value) -> Result<Value, ErrorType> {
    Ok(json!({"userName": "u", "title": title, (ENTERPRISE_URN): extension}))
}

fn unchanged() -> Result<Value, ErrorType> {
    all("o", &extension())
}

fn extension() -> Value {
    json!({"department": "d", "manager": {"value": "m"}})
}

fn check(rows: Vec<Row>) {
    for (operation, compat, rfc) in rows {
        assert_eq!(after(&operation, Profile::Compat), compat, "compat: {operation}");
        assert_eq!(after(&operation, Profile::Rfc), rfc, "rfc: {operation}");
    }
}

/// RFC 7644, sections 3.5.2.1 and 3.5.2.3: without a path, or with the name of a schema, the value is a set of attributes. What is
/// read-only is passed over there, as in a PUT (section 3.5.1).
#[test]
fn names_in_a_value_are_paths() {
    let titled = || all("x", &extension());
    let both = |operation: Value, after: Result<Value, ErrorType>| (operation, after.clone(), after);
    let manager = format!("{ENTERPRISE_URN}:manager.displayName");
    check(vec![
        both(json!({"op": "add", "value": {"title": "x", "id": "7", "meta": {}}}), titled()),
        both(json!({"op": "add", "path": USERS.schema.urn, "value": {"title": "x"}}), titled()),
        both(json!({"op": "replace", "value": {"SCHEMAS": ["urn:x"], "groups": []}}), unchanged()),
        both(json!({"op": "add", "value": {(manager.as_str()): "M"}}), unchanged()),
        both(json!({"op": "add", "path": manager, "value": "M"}), Err(Mutability)),
        both(json!({"op": "add", "path": "colour", "value": "red"}), Err(InvalidPath)),
        both(json!({"op": "add", "path": "name.colour", "value": "red"}), Err(InvalidPath)),
        both(json!({"op": "replace", "path": "password", "value": "p"}), unchanged()),
        both(json!({"op": "replace", "path": "userName", "value": ""}), Err(InvalidValue)),
        (json!({"op": "add", "value": {"colour": "red"}}), unchanged(), Err(InvalidPath)),
        (json!({"op": "add", "value": {"a b": "red"}}), unchanged(), Err(InvalidSyntax)),
        (json!({"op": "add", "path": "urn:x:y:colour", "value": "red"}), unchanged(), Err(InvalidPath)),
        (
            json!({"op": "replace", "path": "title", "value": ""}),
            Ok(json!({"userName": "u", (ENTERPRISE_URN): extension()})),
            all("", &extension()),
        ),
    ]);
}

/// RFC 7644, section 3.5.2, of what stands under a schema's URN (RFC 7643, section 3.3).
#[test]
fn an_extension_is_added_replaced_and_removed_as_a_whole() {
    let added = || all("o", &json!({"department": "n", "manager": {"value": "m"}}));
    let both = |operation: Value, after: Result<Value, ErrorType>| (operation, after.clone(), after);
    let manager = format!("{ENTERPRISE_URN}:manager");
    check(vec![
        both(json!({"op": "add", "path": ENTERPRISE_URN, "value": {"department": "n"}}), added()),
        both(json!({"op": "add", "value": {(ENTERPRISE_URN): {"department": "n", "schemas": []}}}), added()),
        both(
            json!({"op": "replace", "path": ENTERPRISE_URN, "value": {"department": "n"}}),
            all("o", &json!({"department": "n"})),
        ),
        both(json!({"op": "remove", "path": ENTERPRISE_URN}), Ok(json!({"userName": "u", "title": "o"}))),
        both(json!({"op": "remove", "path": manager}), all("o", &json!({"department": "d"}))),
        (
            json!({"op": "add", "path": ENTERPRISE_URN, "value": {"colour": "n"}}),
            unchanged(),
            Err(InvalidPath),
        ),
    ]);
}

/// An extension without a value is absent (RFC 7643, section 3.3).
#[test]
fn an_extension_goes_with_its_last_value() {
    let before = json!({"userName": "u", (ENTERPRISE_URN): {"department": "d"}});
    let remove = json!([{"op": "remove", "path": format!("{ENTERPRISE_URN}:department")}]);
    assert_eq!(patched(&before, &remove, Profile::Rfc), Ok(json!({"userName": "u"})));
}
