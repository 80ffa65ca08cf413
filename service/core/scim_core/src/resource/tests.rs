//! What is read of a resource, and what is refused.

use serde_json::json;

use super::*;
use crate::ErrorType;
use crate::schema::{ENTERPRISE_URN, GROUPS, USERS};

fn parsed(kind: &ResourceType, body: &Value, profile: Profile) -> Result<Resource, ScimError> {
    let text = body.to_string();
    Ok(normalize(kind, &Document::parse(text.as_bytes())?, profile)?.resource)
}

fn users(body: &Value, profile: Profile) -> Result<Resource, ScimError> {
    parsed(&USERS, body, profile)
}

#[test]
fn what_is_set_once_stays() {
    let custom = serde_json::from_value::<crate::schema::Schema>(
        json!({"id": "urn:acme:badge", "name": "Badge", "attributes": [
            {"name": "number", "type": "integer", "mutability": "immutable"}, {"name": "since", "type": "dateTime"}]}),
    );
    let kind = crate::schema::Registry::with([("User".to_owned(), custom.unwrap())]).users;
    let body = |number: Value| json!({"userName": "a", "urn:acme:badge": {"number": number, "since": "2026-01-01T00:00:00Z"}});
    let before = parsed(&kind, &body(json!(1)), Profile::Compat).unwrap();
    assert_eq!(schemas(&kind, &before), [USERS.schema.urn.as_str(), "urn:acme:badge"]);
    let after = parsed(&kind, &body(json!(2)), Profile::Compat).unwrap();
    assert!(check_immutable(&kind, &before, &before).is_ok());
    assert_eq!(check_immutable(&kind, &before, &after).unwrap_err().kind, ErrorType::Mutability);
    assert!(check_immutable(&kind, &Resource::new(), &after).is_ok());
    for wrong in [json!("1"), json!(1.5)] {
        assert_eq!(parsed(&kind, &body(wrong), Profile::Compat).unwrap_err().kind, ErrorType::InvalidValue);
    }
}

#[test]
fn names_get_their_case_and_values_stay_as_sent() {
    let body = json!({
        "SCHEMAS": [USERS.schema.urn.to_uppercase()],
        "USERNAME": "Zoë.Müller@Example.com", "NAME": {"GIVENNAME": " Zoë "}, "Active": true, "externalid": "0",
        "id": "mine", "meta": {"location": "x"}, "groups": [{"value": "g"}], "password": "hush",
    });
    let resource = users(&body, Profile::Rfc).unwrap();
    let expected = json!({"userName": "Zoë.Müller@Example.com", "name": {"givenName": " Zoë "}, "active": true, "externalId": "0"});
    assert_eq!(Value::Object(resource), expected);
}

#[test]
fn what_entra_sends_is_taken() {
    let body = json!({
        "schemas": [USERS.schema.urn, ENTERPRISE_URN], "userName": "a@b", "active": "True", "externalId": "e",
        "meta": {"resourceType": "User"}, "roles": [], "title": null, "manager": null, "department": null,
        "emails": [{"primary": true, "type": "work", "value": "a@b"}], (format!("{ENTERPRISE_URN}User")): {"x": 1},
        (ENTERPRISE_URN): {"manager": "26118915", "department": "x"},
    });
    let resource = users(&body, Profile::Compat).unwrap();
    assert_eq!(resource["active"], json!(true));
    assert_eq!(resource[ENTERPRISE_URN], json!({"manager": {"value": "26118915"}, "department": "x"}));
    assert!(!resource.contains_key("roles") && !resource.contains_key("title"));
    assert_eq!(schemas(&USERS, &resource), [USERS.schema.urn.as_str(), ENTERPRISE_URN]);
}

#[test]
fn strict_clients_get_strict_answers() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"schemas": [USERS.schema.urn], "userName": "a"});
        body[name] = value;
        users(&body, Profile::Rfc).unwrap_err().kind
    };
    assert_eq!(with("active", json!("True")), ErrorType::InvalidValue);
    assert_eq!(with("colour", json!("red")), ErrorType::InvalidSyntax);
    assert_eq!(with("schemas", json!(["urn:x"])), ErrorType::InvalidSyntax);
    assert_eq!(with("userName", json!(1)), ErrorType::InvalidValue);
    assert_eq!(with("emails", json!({"value": "a"})), ErrorType::InvalidValue);
    assert_eq!(users(&json!([]), Profile::Compat).unwrap_err().kind, ErrorType::InvalidSyntax);
    assert_eq!(users(&json!({"userName": " "}), Profile::Compat).unwrap_err().kind, ErrorType::InvalidValue);
    assert_eq!(parsed(&GROUPS, &json!({}), Profile::Compat).unwrap_err().kind, ErrorType::InvalidValue);
}

#[test]
fn two_primaries_are_refused_and_equal_values_fall_together() {
    let emails = |list: Value| users(&json!({"userName": "a", "emails": list}), Profile::Compat);
    let two = json!([{"value": "a", "primary": true}, {"value": "b", "primary": "true"}]);
    assert_eq!(emails(two).unwrap_err().kind, ErrorType::InvalidValue);
    let same = json!([{"value": "a", "type": "work"}, {"value": "a", "type": "work"}, {"value": "a", "type": "home"}]);
    assert_eq!(emails(same).unwrap()["emails"].as_array().unwrap().len(), 2);
}

fn kind_of(answer: Result<Resource, ScimError>) -> Option<ErrorType> {
    answer.err().map(|error| error.kind)
}

/// RFC 7643, section 3: `schemas` names the core schema and extensions that there are.
#[test]
fn a_strict_body_names_its_schemas() {
    let core = USERS.schema.urn.as_str();
    for (listed, fine) in [
        (json!([core]), true),
        (json!([core.to_uppercase()]), true),
        (json!([ENTERPRISE_URN, core]), true),
        (json!([ENTERPRISE_URN]), false),
        (json!([]), false),
        (json!([core, "urn:x"]), false),
        (json!([core, 1]), false),
        (json!(core), false),
        (Value::Null, false),
    ] {
        let body = json!({"schemas": listed, "userName": "a"});
        let expected = (!fine).then_some(ErrorType::InvalidSyntax);
        assert_eq!(kind_of(users(&body, Profile::Rfc)), expected, "{listed}");
        assert_eq!(kind_of(users(&body, Profile::Compat)), None, "{listed}");
    }
}

/// RFC 7643, section 3.3.
#[test]
fn an_extension_is_an_object_of_its_attributes() {
    for (extension, compat, rfc) in [
        (
            json!({"DEPARTMENT": "d"}),
            Ok(Some(json!({"department": "d"}))),
            Ok(Some(json!({"department": "d"}))),
        ),
        (json!({"schemas": [ENTERPRISE_URN]}), Ok(None), Ok(None)),
        (json!({"department": null}), Ok(None), Ok(None)),
        (json!({}), Ok(None), Ok(None)),
        (Value::Null, Ok(None), Ok(None)),
        (json!({"colour": "red"}), Ok(None), Err(ErrorType::InvalidSyntax)),
        (json!("d"), Err(ErrorType::InvalidSyntax), Err(ErrorType::InvalidSyntax)),
    ] {
        let body = json!({"schemas": [USERS.schema.urn], "userName": "a", (ENTERPRISE_URN): extension});
        for (profile, expected) in [(Profile::Compat, compat), (Profile::Rfc, rfc)] {
            let found = users(&body, profile).map(|all| all.get(ENTERPRISE_URN).cloned());
            assert_eq!(found.map_err(|error| error.kind), expected, "{profile:?}: {body}");
        }
    }
}

/// RFC 7643, section 4.2: members are a group's.
#[test]
fn only_a_group_has_members() {
    let body =
        json!({"userName": "a", "displayName": "x", "MEMBERS": [{"value": "1"}, {"value": "1"}]}).to_string();
    let document = Document::parse(body.as_bytes()).unwrap();
    let members = |kind: &ResourceType| normalize(kind, &document, Profile::Compat).unwrap().members;
    assert_eq!((members(&GROUPS), members(&USERS)), (vec!["1".to_owned()], vec![]));
    let without = json!({"schemas": [GROUPS.schema.urn], "members": []});
    assert_eq!(kind_of(parsed(&GROUPS, &without, Profile::Rfc)), Some(ErrorType::InvalidValue));
}

#[test]
fn a_resource_has_64_kib_or_what_it_had() {
    let of = |value: Value| bytes(value.as_object().unwrap());
    for (resource, expected) in [
        (json!({}), 2),
        (json!({"ab": "xyz"}), 2 + 4 + 6 + 2),
        (json!({"ab": ["x", true]}), 2 + 4 + (4 + 8 + 2) + 2),
        (json!({"ab": {"c": 1}}), 2 + 4 + (1 + 4 + 8 + 2) + 2),
    ] {
        assert_eq!(of(resource.clone()), expected, "{resource}");
    }
    let resource = |size: usize| json!({"a": "x".repeat(size - 10)}).as_object().cloned().unwrap();
    for (size, before, fits) in [
        (65_536, 0, true),
        (65_537, 0, false),
        (65_537, 65_536, false),
        (65_537, 65_537, true),
        (65_538, 65_537, false),
    ] {
        let resource = resource(size);
        assert_eq!(bytes(&resource), size);
        let expected = (!fits).then_some(ErrorType::TooLarge);
        assert_eq!(check_size(&resource, before).err().map(|error| error.kind), expected, "{size} {before}");
    }
}

/// RFC 7643, sections 2.2 and 4.1.1.
#[test]
fn what_is_required_is_there_and_not_blank() {
    for (resource, fine) in [
        (json!({"userName": "a"}), true),
        (json!({}), false),
        (json!({"userName": ""}), false),
        (json!({"userName": " "}), false),
        (json!({"displayName": "a"}), false),
    ] {
        let found = check_required(&USERS, resource.as_object().unwrap());
        let expected = (!fine).then_some(ErrorType::InvalidValue);
        assert_eq!(found.err().map(|error| error.kind), expected, "{resource}");
    }
}

#[test]
fn a_name_is_shown_without_controls_and_not_whole() {
    for (name, expected) in
        [("colour", "colour"), ("a\u{1b}[31m\nb", "a[31mb"), (&"ä".repeat(81), &"ä".repeat(80))]
    {
        assert_eq!(shown(name), expected);
    }
}
