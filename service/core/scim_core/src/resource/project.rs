//! What of a resource is returned (RFC 7644, section 3.9).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Resource, schemas};
use crate::path::AttributePath;
use crate::schema::{Named, ResourceType, Returned};
use crate::{ErrorType, ScimError};

/// Puts what the server knows around a resource: `schemas`, `id`, and `meta`.
pub fn envelope(kind: &ResourceType, id: &str, resource: Resource, meta: Value) -> Map<String, Value> {
    let mut whole = Map::new();
    whole.insert("schemas".to_owned(), schemas(kind, &resource).into());
    whole.insert("id".to_owned(), id.into());
    whole.extend(resource);
    whole.insert("meta".to_owned(), meta);
    whole
}

/// Bytes of a list of names.
pub const NAMES_BYTES_MAX: usize = 8 << 10;

/// One name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    /// The extension under whose URN it stands.
    extension: Option<String>,
    /// The attribute; empty for a whole extension.
    attribute: String,
    sub: Option<String>,
    /// Whether it is returned whatever was asked.
    always: bool,
}

/// Which attributes are asked for.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    only: Option<Vec<Name>>,
    without: Vec<Name>,
}

fn names<'a>(kind: &ResourceType, list: impl Iterator<Item = &'a str>) -> Vec<Name> {
    let name = |path: AttributePath| match kind.named(&path) {
        Named::Extension(schema) => Some(Name {
            extension: Some(schema.urn.clone()),
            attribute: String::new(),
            sub: None,
            always: false,
        }),
        Named::Attribute(located, sub) => Some(Name {
            extension: located.extension.map(|schema| schema.urn.clone()),
            attribute: located.attribute.name.clone(),
            sub: sub.map(|sub| sub.name.clone()),
            always: located.attribute.returned == Returned::Always,
        }),
        Named::Nothing(_) => None,
    };
    let mut seen = HashSet::new();
    let names = list.filter_map(|one| name(AttributePath::parse(one.trim())?));
    names.filter(|name| seen.insert(name.clone())).collect()
}

impl Projection {
    /// Reads `attributes` and `excludedAttributes`, comma-separated names. Unknown names are ignored, as the RFC has it
    /// for `attributes` that a resource doesn't have.
    ///
    /// # Errors
    /// `invalidSyntax` if both are given: they exclude each other; `invalidValue` for more than [`NAMES_BYTES_MAX`].
    pub fn parse(
        kind: &ResourceType,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Result<Self, ScimError> {
        if [attributes, excluded].into_iter().flatten().any(|list| list.len() > NAMES_BYTES_MAX) {
            return Err(ScimError::value(format!(
                "The names in `attributes` or `excludedAttributes` have more than {NAMES_BYTES_MAX} bytes."
            )));
        }
        let given = |list: Option<&str>| {
            list.filter(|list| !list.is_empty()).map(|list| names(kind, list.split(',')))
        };
        let (only, without) = (given(attributes), given(excluded));
        if only.is_some() && without.is_some() {
            return Err(ScimError::new(
                ErrorType::InvalidSyntax,
                "`attributes` and `excludedAttributes` can't be combined.",
            ));
        }
        Ok(Self { only, without: without.unwrap_or_default() })
    }

    /// Whether the top-level attribute `name` can be left out: then it need not even be read.
    pub fn wants(&self, name: &str) -> bool {
        let is = |one: &Name, whole: bool| {
            one.extension.is_none() && one.attribute == name && (!whole || one.sub.is_none())
        };
        match &self.only {
            Some(only) => only.iter().any(|one| is(one, false)),
            None => !self.without.iter().any(|one| is(one, true)),
        }
    }

    /// Cuts `whole` to what is asked for.
    pub fn apply(&self, kind: &ResourceType, mut whole: Map<String, Value>) -> Map<String, Value> {
        hide(kind, &mut whole, self.only.as_deref().unwrap_or_default());
        let mut cut = match &self.only {
            None => whole,
            Some(only) => {
                let mut cut = Map::new();
                for (name, value) in &whole {
                    if kind.locate(None, name).is_some_and(|at| at.attribute.returned == Returned::Always) {
                        cut.insert(name.clone(), value.clone());
                    }
                }
                only.iter().for_each(|name| copy(&whole, &mut cut, name));
                cut
            }
        };
        self.without.iter().filter(|name| !name.always).for_each(|name| drop_from(&mut cut, name));
        cut
    }
}

/// Takes out what is never returned, what is returned only when asked for, and extensions that no longer are declared.
fn hide(kind: &ResourceType, whole: &mut Map<String, Value>, asked: &[Name]) {
    whole.retain(|name, _| kind.locate(None, name).is_some() || kind.extension(name).is_some());
    let hidden = |name: &str, returned: Returned, extension: Option<&str>| match returned {
        Returned::Never => true,
        Returned::Request => {
            !asked.iter().any(|one| one.attribute == name && one.extension.as_deref() == extension)
        }
        _ => false,
    };
    for schema in &kind.extensions {
        let urn = schema.urn.as_str();
        let Some(Value::Object(members)) = whole.get_mut(urn) else { continue };
        members.retain(|name, _| {
            schema.find(name).is_some_and(|one| !hidden(&one.name, one.returned, Some(urn)))
        });
        if members.is_empty() {
            whole.remove(urn);
        }
    }
    let top = kind.schema.attributes.iter();
    top.filter(|one| hidden(&one.name, one.returned, None)).for_each(|one| {
        whole.remove(&one.name);
    });
}

fn copy(whole: &Map<String, Value>, cut: &mut Map<String, Value>, name: &Name) {
    let (from, to) = match &name.extension {
        None => (whole, cut),
        Some(urn) => {
            let Some(Value::Object(from)) = whole.get(urn) else { return };
            let to = cut.entry(urn).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(to) = to else { return };
            if name.attribute.is_empty() {
                to.extend(from.clone());
                return;
            }
            (from, to)
        }
    };
    let Some(value) = from.get(&name.attribute) else { return };
    match &name.sub {
        None => {
            to.insert(name.attribute.clone(), value.clone());
        }
        Some(sub) => merge(to.entry(&name.attribute).or_insert(Value::Null), only_sub(value, sub)),
    }
}

fn only_sub(value: &Value, sub: &str) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| only_sub(item, sub)).collect(),
        Value::Object(members) => {
            Value::Object(members.get(sub).map(|value| (sub.to_owned(), value.clone())).into_iter().collect())
        }
        other => other.clone(),
    }
}

/// `name.givenName,name.familyName` give one object with both.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => into.extend(from),
        (Value::Array(into), Value::Array(from)) => {
            into.iter_mut().zip(from).for_each(|(into, from)| merge(into, from))
        }
        (into, from) => *into = from,
    }
}

fn drop_from(cut: &mut Map<String, Value>, name: &Name) {
    let place = match &name.extension {
        None => Some(cut),
        Some(urn) if name.attribute.is_empty() => {
            cut.remove(urn);
            return;
        }
        Some(urn) => cut.get_mut(urn).and_then(Value::as_object_mut),
    };
    let Some(place) = place else { return };
    match &name.sub {
        None => {
            place.remove(&name.attribute);
        }
        Some(sub) => {
            let Some(value) = place.get_mut(&name.attribute) else { return };
            let drop = |value: &mut Value| {
                if let Value::Object(members) = value {
                    members.remove(sub);
                }
            };
            match value {
                Value::Array(items) => items.iter_mut().for_each(drop),
                single => drop(single),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::USERS;

    #[test]
    fn a_resource_is_cut_to_what_was_asked_for() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let resource = json!({
            "userName": "a", "name": {"givenName": "A", "familyName": "B", "middleName": "C"}, "active": true,
            (urn): {"department": "d", "division": "e"},
        });
        let Value::Object(resource) = resource else { unreachable!() };
        let whole = envelope(&USERS, "1", resource, json!({"resourceType": "User"}));
        let cut = |attributes, excluded| {
            Value::Object(
                Projection::parse(&USERS, attributes, excluded).unwrap().apply(&USERS, whole.clone()),
            )
        };
        let schemas = json!([USERS.schema.urn, urn]);
        assert_eq!(cut(Some("USERNAME"), None), json!({"schemas": schemas, "id": "1", "userName": "a"}));
        assert_eq!(
            cut(Some("name.givenName,name.familyName"), None),
            json!({"schemas": schemas, "id": "1", "name": {"givenName": "A", "familyName": "B"}})
        );
        let department = format!("{urn}:department");
        assert_eq!(
            cut(Some(&department), None),
            json!({"schemas": schemas, "id": "1", (urn): {"department": "d"}})
        );
        let without = cut(None, Some("id,name.middleName,meta"));
        assert_eq!(without["id"], "1");
        assert!(without.get("meta").is_none() && without["name"].get("middleName").is_none());
        assert!(Projection::parse(&USERS, Some("a"), Some("b")).is_err());
    }

    #[test]
    fn a_list_of_names_has_8_kib() {
        let names = |count: usize| "x".repeat(count);
        assert!(Projection::parse(&USERS, Some(&names(8 * 1024)), None).is_ok());
        assert!(Projection::parse(&USERS, Some(&names(8 * 1024 + 1)), None).is_err());
        let same = Projection::parse(&USERS, Some(&"title,TITLE,".repeat(600)), None).unwrap();
        assert_eq!(same.only.unwrap().len(), 1, "a name counts once");
    }

    /// RFC 7644, section 3.9.
    #[test]
    fn an_attribute_is_wanted_if_it_or_a_part_of_it_is_returned() {
        let urn = crate::schema::ENTERPRISE_URN;
        let department = format!("{urn}:department");
        for (attributes, excluded, name, wanted) in [
            (None, None, "members", true),
            (Some("members"), None, "members", true),
            (Some("members.value"), None, "members", true),
            (Some("displayName"), None, "members", false),
            (Some(department.as_str()), None, "department", false),
            (None, Some("members"), "members", false),
            (None, Some("members.display"), "members", true),
            (None, Some("displayName"), "members", true),
            (None, Some(department.as_str()), "department", true),
            (Some(""), None, "members", true),
            (None, Some(""), "members", true),
        ] {
            let kind = crate::schema::Registry::with([]);
            let kind = if name == "members" { &kind.groups } else { &kind.users };
            let projection = Projection::parse(kind, attributes, excluded).unwrap();
            assert_eq!(projection.wants(name), wanted, "{attributes:?} {excluded:?} {name}");
        }
        let list = "x".repeat(NAMES_BYTES_MAX + 1);
        let long = Projection::parse(&USERS, None, Some(&list)).unwrap_err();
        let both = Projection::parse(&USERS, Some("title"), Some("title")).unwrap_err();
        assert_eq!((long.kind, both.kind), (ErrorType::InvalidValue, ErrorType::InvalidSyntax));
    }

    /// RFC 7643, section 7 (`returned`), and RFC 7644, section 3.9.
    #[test]
    fn what_is_returned_depends_on_the_schema_and_on_what_is_asked() {
        let badge = json!({"id": "urn:acme:badge", "name": "Badge", "attributes": [
            {"name": "plain"}, {"name": "asked", "returned": "request"}, {"name": "secret", "returned": "never"}]});
        let badge = serde_json::from_value(badge).unwrap();
        let users = crate::schema::Registry::with([("User".to_owned(), badge)]).users;
        let secret = json!({"secret": "s"});
        let badge = json!({"plain": "p", "asked": "a", "secret": "s", "gone": "g"});
        let emails = json!([{"value": "a", "type": "work"}, {"value": "b"}]);
        let name = json!({"givenName": "G"});
        let plain = json!({"id": "1", "name": name, "emails": emails, "urn:acme:badge": {"plain": "p"}});
        let cases = [
            (&badge, None, None, plain.clone()),
            (
                &badge,
                Some("urn:acme:badge:asked"),
                None,
                json!({"id": "1", "urn:acme:badge": {"asked": "a"}}),
            ),
            (&badge, Some("urn:acme:badge"), None, json!({"id": "1", "urn:acme:badge": {"plain": "p"}})),
            (
                &badge,
                Some("urn:acme:badge:secret,emails.type"),
                None,
                json!({"id": "1", "emails": [{"type": "work"}, {}], "urn:acme:badge": {}}),
            ),
            (&badge, Some("emails.type,emails.value"), None, json!({"id": "1", "emails": emails})),
            (&badge, Some("password,colour"), None, json!({"id": "1"})),
            (&badge, None, Some("id,urn:acme:badge"), json!({"id": "1", "name": name, "emails": emails})),
            (
                &badge,
                None,
                Some("emails.type,name.givenName,urn:acme:badge:plain"),
                json!({"id": "1", "name": {}, "emails": [{"value": "a"}, {"value": "b"}], "urn:acme:badge": {}}),
            ),
            (&secret, None, None, json!({"id": "1", "name": name, "emails": emails})),
        ];
        for (extension, attributes, excluded, expected) in cases {
            let whole = json!({"id": "1", "name": name, "emails": emails, "password": "p", "urn:acme:badge": extension,
                "urn:acme:undeclared": {"a": 1}});
            let projection = Projection::parse(&users, attributes, excluded).unwrap();
            let cut = projection.apply(&users, whole.as_object().cloned().unwrap());
            assert_eq!(Value::Object(cut), expected, "{attributes:?} {excluded:?}");
        }
    }
}
