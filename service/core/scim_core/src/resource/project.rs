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
}
