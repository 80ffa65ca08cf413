//! What of a resource is returned (RFC 7644, section 3.9).

use serde_json::{Map, Value};

use super::{Resource, schemas};
use crate::path::AttributePath;
use crate::schema::{Located, ResourceType, Returned};
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

/// Which attributes are asked for.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    only: Option<Vec<(Located, Option<String>)>>,
    without: Vec<(Located, Option<String>)>,
}

impl Projection {
    /// Reads `attributes` and `excludedAttributes`, comma-separated names. Unknown names are ignored, as the RFC has it
    /// for `attributes` that a resource doesn't have.
    ///
    /// # Errors
    /// `invalidSyntax` if both are given: they exclude each other.
    pub fn parse(
        kind: &ResourceType,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Result<Self, ScimError> {
        let names = |list: &str| -> Vec<(Located, Option<String>)> {
            let paths = list.split(',').filter_map(|name| AttributePath::parse(name.trim()));
            paths.filter_map(|path| Some((kind.locate(path.urn.as_deref(), &path.name)?, path.sub))).collect()
        };
        let (attributes, excluded) =
            (attributes.filter(|list| !list.is_empty()), excluded.filter(|list| !list.is_empty()));
        if attributes.is_some() && excluded.is_some() {
            return Err(ScimError::new(
                ErrorType::InvalidSyntax,
                "`attributes` and `excludedAttributes` exclude each other.",
            ));
        }
        Ok(Self { only: attributes.map(names), without: excluded.map(names).unwrap_or_default() })
    }

    /// Whether the top-level attribute `name` can be left out: then it need not even be read.
    pub fn wants(&self, name: &str) -> bool {
        let is = |(located, sub): &(Located, Option<String>), whole: bool| {
            located.attribute.name == name && (!whole || sub.is_none())
        };
        match &self.only {
            Some(only) => only.iter().any(|one| is(one, false)),
            None => !self.without.iter().any(|one| is(one, true)),
        }
    }

    /// Cuts `whole` to what is asked for.
    pub fn apply(&self, kind: &ResourceType, whole: Map<String, Value>) -> Map<String, Value> {
        let mut cut = match &self.only {
            None => whole,
            Some(only) => {
                let mut cut = Map::new();
                for (name, value) in &whole {
                    if kind.locate(None, name).is_some_and(|at| at.attribute.returned == Returned::Always) {
                        cut.insert(name.clone(), value.clone());
                    }
                }
                only.iter().for_each(|(located, sub)| copy(&whole, &mut cut, located, sub.as_deref()));
                cut
            }
        };
        for (located, sub) in &self.without {
            if located.attribute.returned != Returned::Always {
                drop_from(&mut cut, located, sub.as_deref());
            }
        }
        cut
    }
}

fn copy(whole: &Map<String, Value>, cut: &mut Map<String, Value>, located: &Located, sub: Option<&str>) {
    let name = located.attribute.name;
    let (from, to) = match located.extension {
        None => (whole, cut),
        Some(extension) => {
            let Some(Value::Object(from)) = whole.get(extension.urn) else { return };
            let to = cut.entry(extension.urn).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(to) = to else { return };
            (from, to)
        }
    };
    let Some(value) = from.get(name) else { return };
    match sub {
        None => {
            to.insert(name.to_owned(), value.clone());
        }
        Some(sub) => merge(to.entry(name).or_insert(Value::Null), only_sub(value, sub)),
    }
}

fn only_sub(value: &Value, sub: &str) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| only_sub(item, sub)).collect(),
        Value::Object(members) => {
            let found = members.iter().filter(|(name, _)| name.eq_ignore_ascii_case(sub));
            Value::Object(found.map(|(name, value)| (name.clone(), value.clone())).collect())
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

fn drop_from(cut: &mut Map<String, Value>, located: &Located, sub: Option<&str>) {
    let place = match located.extension {
        None => Some(cut),
        Some(extension) => cut.get_mut(extension.urn).and_then(Value::as_object_mut),
    };
    let Some(place) = place else { return };
    match sub {
        None => {
            place.remove(located.attribute.name);
        }
        Some(sub) => {
            let Some(value) = place.get_mut(located.attribute.name) else { return };
            let drop = |value: &mut Value| {
                if let Value::Object(members) = value {
                    members.retain(|name, _| !name.eq_ignore_ascii_case(sub));
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
}
