//! A body checked against its schemas and put into canonical form; a resource cut to what was asked for.
//!
//! The canonical form is a JSON object with names in the schema's case, extensions under their URN, without `id`,
//! `meta`, `schemas`, read-only and write-only attributes, and without anything unassigned: null, `[]` and absent are
//! the same (RFC 7643, section 2.5). Values stay as they were sent.

mod coerce;
mod project;

use serde_json::{Map, Value};

use crate::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::{Profile, ScimError};

pub(crate) use coerce::{coerce, dedupe};
pub use project::{Projection, envelope};

/// A resource in canonical form.
pub type Resource = Map<String, Value>;

/// Checks a body for POST or PUT and puts it into canonical form.
///
/// # Errors
/// `invalidSyntax` for a wrong structure, `invalidValue` for a wrong or missing value.
pub fn normalize(kind: &ResourceType, body: &Value, profile: Profile) -> Result<Resource, ScimError> {
    let Value::Object(members) = body else {
        return Err(ScimError::syntax("The body must be a JSON object."));
    };
    check_schemas(kind, members, profile)?;
    let mut resource = Resource::new();
    for (name, value) in members {
        if name.eq_ignore_ascii_case("schemas") {
            continue;
        }
        if let Some(extension) = kind.extension(name) {
            let inner = extension_members(extension, value, profile)?;
            if !inner.is_empty() {
                resource.insert(extension.urn.to_owned(), Value::Object(inner));
            }
            continue;
        }
        match kind.locate(None, name) {
            Some(located) => insert(&mut resource, located.attribute, value, profile)?,
            // Entra sends unknown schemas, attributes of extensions at the top, and a misspelt URN.
            None if profile.is_compat() => {}
            None => return Err(ScimError::syntax(format!("There is no attribute `{}`.", shown(name)))),
        }
    }
    check_required(kind, &resource)?;
    Ok(resource)
}

/// Whether everything that must be there is there.
///
/// # Errors
/// `invalidValue`.
pub fn check_required(kind: &ResourceType, resource: &Resource) -> Result<(), ScimError> {
    for attribute in kind.schema.attributes.iter().filter(|attribute| attribute.required) {
        let there = match resource.get(attribute.name) {
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(_) => true,
            None => false,
        };
        if !there {
            return Err(ScimError::value(format!("`{}` is required.", attribute.name)));
        }
    }
    Ok(())
}

/// The schemas that a resource uses: its core schema and each extension that has a value.
pub fn schemas(kind: &ResourceType, resource: &Resource) -> Vec<&'static str> {
    let used = kind.extensions.iter().filter(|extension| resource.contains_key(extension.urn));
    std::iter::once(kind.schema.urn).chain(used.map(|extension| extension.urn)).collect()
}

fn check_schemas(
    kind: &ResourceType,
    members: &Map<String, Value>,
    profile: Profile,
) -> Result<(), ScimError> {
    if profile.is_compat() {
        return Ok(());
    }
    let listed = members
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("schemas"))
        .and_then(|(_, list)| list.as_array());
    let names = |urn: &str| {
        listed.is_some_and(|list| {
            list.iter().any(|one| one.as_str().is_some_and(|text| text.eq_ignore_ascii_case(urn)))
        })
    };
    if names(kind.schema.urn) {
        Ok(())
    } else {
        Err(ScimError::syntax(format!("`schemas` must contain `{}`.", kind.schema.urn)))
    }
}

fn extension_members(extension: &Schema, value: &Value, profile: Profile) -> Result<Resource, ScimError> {
    let mut inner = Resource::new();
    let Value::Object(members) = value else {
        return if value.is_null() {
            Ok(inner)
        } else {
            Err(ScimError::syntax("An extension must be an object."))
        };
    };
    for (name, value) in members {
        match extension.find(name) {
            Some(attribute) => insert(&mut inner, attribute, value, profile)?,
            None if profile.is_compat() => {}
            None => return Err(ScimError::syntax(format!("There is no attribute `{}`.", shown(name)))),
        }
    }
    Ok(inner)
}

fn insert(
    into: &mut Resource,
    attribute: &Attribute,
    value: &Value,
    profile: Profile,
) -> Result<(), ScimError> {
    // Read-only attributes in POST and PUT are ignored (RFC 7644, section 3.3); a password is taken and thrown away.
    if matches!(attribute.mutability, Mutability::ReadOnly | Mutability::WriteOnly) {
        return Ok(());
    }
    if let Some(value) = coerce(attribute, value, profile)? {
        into.insert(attribute.name.to_owned(), value);
    }
    Ok(())
}

/// A name from the client, fit for a message.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ErrorType;
    use crate::schema::{GROUPS, USERS};

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    #[test]
    fn names_get_their_case_and_values_stay_as_sent() {
        let body = json!({
            "SCHEMAS": [USERS.schema.urn.to_uppercase()],
            "USERNAME": "Zoë.Müller@Example.com", "NAME": {"GIVENNAME": " Zoë "}, "Active": true, "externalid": "0",
            "id": "mine", "meta": {"location": "x"}, "groups": [{"value": "g"}], "password": "hush",
        });
        let resource = normalize(&USERS, &body, Profile::Rfc).unwrap();
        let expected = json!({"userName": "Zoë.Müller@Example.com", "name": {"givenName": " Zoë "}, "active": true, "externalId": "0"});
        assert_eq!(Value::Object(resource), expected);
    }

    #[test]
    fn what_entra_sends_is_taken() {
        let body = json!({
            "schemas": [USERS.schema.urn, ENTERPRISE], "userName": "a@b", "active": "True", "externalId": "e",
            "meta": {"resourceType": "User"}, "roles": [], "title": null, "manager": null, "department": null,
            "emails": [{"primary": true, "type": "work", "value": "a@b"}], (format!("{ENTERPRISE}User")): {"x": 1},
            (ENTERPRISE): {"manager": "26118915", "department": "x"},
        });
        let resource = normalize(&USERS, &body, Profile::Compat).unwrap();
        assert_eq!(resource["active"], json!(true));
        assert_eq!(resource[ENTERPRISE], json!({"manager": {"value": "26118915"}, "department": "x"}));
        assert!(!resource.contains_key("roles") && !resource.contains_key("title"));
        assert_eq!(schemas(&USERS, &resource), [USERS.schema.urn, ENTERPRISE]);
    }

    #[test]
    fn strict_clients_get_strict_answers() {
        let with = |name: &str, value: Value| {
            let mut body = json!({"schemas": [USERS.schema.urn], "userName": "a"});
            body[name] = value;
            normalize(&USERS, &body, Profile::Rfc).unwrap_err().kind
        };
        assert_eq!(with("active", json!("True")), ErrorType::InvalidValue);
        assert_eq!(with("colour", json!("red")), ErrorType::InvalidSyntax);
        assert_eq!(with("schemas", json!(["urn:x"])), ErrorType::InvalidSyntax);
        assert_eq!(with("userName", json!(1)), ErrorType::InvalidValue);
        assert_eq!(with("emails", json!({"value": "a"})), ErrorType::InvalidValue);
        assert_eq!(
            normalize(&USERS, &json!([]), Profile::Compat).unwrap_err().kind,
            ErrorType::InvalidSyntax
        );
        assert_eq!(
            normalize(&USERS, &json!({"userName": " "}), Profile::Compat).unwrap_err().kind,
            ErrorType::InvalidValue
        );
        assert_eq!(
            normalize(&GROUPS, &json!({}), Profile::Compat).unwrap_err().kind,
            ErrorType::InvalidValue
        );
    }

    #[test]
    fn two_primaries_are_refused_and_equal_values_fall_together() {
        let emails =
            |list: Value| normalize(&USERS, &json!({"userName": "a", "emails": list}), Profile::Compat);
        let two = json!([{"value": "a", "primary": true}, {"value": "b", "primary": "true"}]);
        assert_eq!(emails(two).unwrap_err().kind, ErrorType::InvalidValue);
        let same = json!([{"value": "a", "type": "work"}, {"value": "a", "type": "work"}, {"value": "a", "type": "home"}]);
        assert_eq!(emails(same).unwrap()["emails"].as_array().unwrap().len(), 2);
    }
}
