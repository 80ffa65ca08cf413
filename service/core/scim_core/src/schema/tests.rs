//! Names that resolve to attributes (RFC 7643, section 2.1; RFC 7644, section 3.10).

use serde_json::json;

use super::*;

fn badge() -> Schema {
    let badge = json!({"id": "urn:acme:badge", "name": "Badge", "attributes": [
        {"name": "number", "type": "integer"},
        {"name": "pin", "type": "complex", "subAttributes": [{"name": "code"}]}]});
    serde_json::from_value(badge).unwrap()
}

/// `extension|attribute|sub` for an attribute, `!attribute` if only that is there.
fn named(kind: &ResourceType, path: &str) -> String {
    let name = |one: Option<&Attribute>| one.map(|one| one.name.clone()).unwrap_or_default();
    match kind.named(&AttributePath::parse(path).unwrap()) {
        Named::Extension(schema) => schema.name.clone(),
        Named::Attribute(at, sub) => {
            let extension = at.extension.map(|schema| schema.name.clone()).unwrap_or_default();
            format!("{extension}|{}|{}", at.attribute.name, name(sub))
        }
        Named::Nothing(attribute) => format!("!{}", name(attribute)),
    }
}

/// RFC 7644, section 3.10; names and URNs have no case (RFC 7643, section 2.1; RFC 8141, section 3.1).
#[test]
fn a_path_names_an_attribute_of_one_schema() {
    let kind = Registry::with([("User".to_owned(), badge())]).users;
    for (path, expected) in [
        ("userName", "|userName|"),
        ("USERNAME", "|userName|"),
        ("id", "|id|"),
        ("meta.created", "|meta|created"),
        ("name.GivenName", "|name|givenName"),
        ("name.colour", "!name"),
        ("userName.value", "!userName"),
        ("colour", "!"),
        ("department", "!"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "|name|givenName"),
        ("URN:IETF:PARAMS:SCIM:SCHEMAS:CORE:2.0:USER:userName", "|userName|"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "EnterpriseUser"),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "EnterpriseUser|department|",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            "EnterpriseUser|manager|value",
        ),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:userName", "!"),
        ("urn:acme:badge", "Badge"),
        ("urn:acme:badge:number", "Badge|number|"),
        ("urn:ACME:badge:pin.code", "Badge|pin|code"),
        ("urn:acme:badge:pin.colour", "!pin"),
        ("urn:acme:other:number", "!"),
        ("urn:acme:badges:number", "!"),
        ("urn:x", "!"),
    ] {
        assert_eq!(named(&kind, path), expected, "{path}");
    }
    assert_eq!(named(&GROUPS, "members.$ref"), "|members|$ref");
    assert_eq!(named(&GROUPS, "urn:acme:badge"), "!");
}

#[test]
fn what_a_tenant_declares_extends_one_resource_type() {
    for (kind, users, groups) in [("User", true, false), ("Group", false, true)] {
        let all = Registry::with([(kind.to_owned(), badge())]);
        let extended = all.types().map(|one| one.extension("URN:ACME:BADGE").is_some());
        assert_eq!(extended, [users, groups], "{kind}");
    }
    let both = Registry::with([("User".to_owned(), badge()), ("Group".to_owned(), badge())]);
    let urns: Vec<&str> = both.schemas().iter().map(|schema| schema.urn.as_str()).collect();
    assert_eq!(urns, [USER_URN, ENTERPRISE_URN, "urn:acme:badge", GROUP_URN], "each once");
    assert_eq!(both.types().map(|kind| (kind.name, kind.has_members())), [("User", false), ("Group", true)]);
}

/// RFC 7643, sections 2.2 and 7.
#[test]
fn what_a_declaration_leaves_out_has_the_default_of_the_norm() {
    let attribute: Attribute = serde_json::from_value(json!({"name": "a"})).unwrap();
    let expected = json!({
        "name": "a", "type": "string", "multiValued": false, "description": "", "required": false, "caseExact": false,
        "mutability": "readWrite", "returned": "default", "uniqueness": "none",
    });
    assert_eq!(serde_json::to_value(attribute).unwrap(), expected);
}
