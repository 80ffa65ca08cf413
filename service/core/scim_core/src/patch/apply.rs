//! Operations on a resource. All of them hold or none: the caller keeps the old resource until this succeeds.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::target::{Known, Target};
use super::{Operation, Verb};
use crate::condition::Condition;
use crate::path::{AttributePath, Path};
use crate::resource::{Resource, bytes, check_immutable, check_required, check_size, shown};
use crate::schema::{Located, Mutability, Named, ResourceType, Schema};
use crate::{ErrorType, Profile, ScimError};

/// The resource after `operations`, in order; each sees what those before it did.
///
/// # Errors
/// `invalidPath`, `noTarget`, `mutability`, `invalidValue`, `invalidSyntax`, `tooLarge`.
pub fn apply(
    kind: &ResourceType,
    before: &Resource,
    operations: &[Operation],
    profile: Profile,
) -> Result<Resource, ScimError> {
    let mut after = before.clone();
    let mut patch = Patch { kind, profile, known: HashMap::new() };
    for operation in operations {
        match &operation.path {
            Some(path) => patch.at(&mut after, operation.verb, path, operation.value.as_ref())?,
            None => patch.pathless(&mut after, operation)?,
        }
    }
    check_required(kind, &after)?;
    check_immutable(kind, before, &after)?;
    check_size(&after, bytes(before))?;
    Ok(after)
}

struct Patch<'a> {
    kind: &'a ResourceType,
    profile: Profile,
    /// By extension and attribute.
    known: HashMap<(Option<String>, String), Known>,
}

impl Patch<'_> {
    /// Each member's name is a path: Entra sends dotted names and URNs.
    fn pathless(&mut self, resource: &mut Resource, operation: &Operation) -> Result<(), ScimError> {
        let Some(Value::Object(members)) = &operation.value else { return Ok(()) };
        for (name, value) in members {
            if name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            let Some(attribute) = AttributePath::parse(name) else {
                if self.profile.is_compat() {
                    continue;
                }
                return Err(ScimError::syntax(format!("There is no attribute `{}`.", shown(name))));
            };
            let skip = match self.kind.named(&attribute) {
                // Okta repeats the id.
                Named::Attribute(at, sub) => {
                    sub.unwrap_or(at.attribute).mutability == Mutability::ReadOnly
                        || at.attribute.mutability == Mutability::ReadOnly
                }
                // Unknown attributes are Entra's.
                Named::Nothing(_) => self.profile.is_compat(),
                Named::Extension(_) => false,
            };
            if skip {
                continue;
            }
            self.at(resource, operation.verb, &Path { attribute, filter: None }, Some(value))?;
        }
        Ok(())
    }

    fn at(
        &mut self,
        resource: &mut Resource,
        verb: Verb,
        path: &Path,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let none = |what: String| Err(ScimError::new(ErrorType::InvalidPath, what));
        let name = shown(&path.attribute.to_string());
        let (Located { attribute, extension }, sub) = match self.kind.named(&path.attribute) {
            Named::Attribute(located, sub) => (located, sub),
            Named::Extension(schema) => return self.extension(resource, verb, schema, value),
            Named::Nothing(Some(attribute)) => {
                return none(format!("`{}` has no sub-attribute as in `{name}`.", attribute.name));
            }
            Named::Nothing(None) if name.eq_ignore_ascii_case(&self.kind.schema.urn) => {
                return self.pathless(resource, &Operation { verb, path: None, value: value.cloned() });
            }
            // A schema that isn't declared, in Entra's way.
            Named::Nothing(None) if path.attribute.urn.is_some() && self.profile.is_compat() => return Ok(()),
            Named::Nothing(None) => return none(format!("There is no attribute `{name}`.")),
        };
        if attribute.mutability == Mutability::ReadOnly
            || sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly)
        {
            return Err(ScimError::new(ErrorType::Mutability, format!("`{}` is read-only.", attribute.name)));
        }
        if attribute.mutability == Mutability::WriteOnly {
            return Ok(());
        }
        let place = match extension {
            None => &mut *resource,
            Some(schema) => {
                let object = resource.entry(&schema.urn).or_insert_with(|| Value::Object(Map::new()));
                object.as_object_mut().ok_or_else(|| ScimError::syntax("An extension must be an object."))?
            }
        };
        let filter = path.filter.as_ref();
        let bound = filter.map(|filter| Condition::bind_element(attribute, filter, self.profile)).transpose();
        let bound = if attribute.multi { bound? } else { None };
        let target = Target { attribute, sub, filter, bound, profile: self.profile };
        let key = (extension.map(|schema| schema.urn.clone()), attribute.name.clone());
        let known = self.known.entry(key).or_default();
        let cleared = value
            .is_none_or(|value| value.is_null() || (self.profile.is_compat() && value.as_str() == Some("")));
        let done = if verb == Verb::Remove || (verb == Verb::Replace && cleared) {
            *known = None;
            target.remove(place, if verb == Verb::Remove { value } else { None })
        } else {
            target.put(place, verb, value.unwrap_or(&Value::Null), known)
        };
        if let Some(schema) = extension
            && resource.get(&schema.urn).and_then(Value::as_object).is_some_and(Map::is_empty)
        {
            resource.remove(&schema.urn);
        }
        done
    }

    fn extension(
        &mut self,
        resource: &mut Resource,
        verb: Verb,
        schema: &Schema,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        if verb != Verb::Add {
            self.known.clear();
            resource.remove(&schema.urn);
        }
        let Some(Value::Object(members)) = value.filter(|_| verb != Verb::Remove) else { return Ok(()) };
        for (name, value) in members {
            let repeated = name.eq_ignore_ascii_case("schemas");
            if schema.find(name).is_none() && (self.profile.is_compat() || repeated) {
                continue;
            }
            let attribute = AttributePath { urn: Some(schema.urn.clone()), name: name.clone(), sub: None };
            self.at(resource, verb, &Path { attribute, filter: None }, Some(value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::patch::tests::patched;
    use crate::schema::ENTERPRISE_URN;

    fn compat(before: &Value, operations: &Value) -> Value {
        patched(before, operations, Profile::Compat).unwrap()
    }

    #[test]
    fn entras_two_dialects_mean_the_same() {
        let before = json!({"userName": "a", "active": true, "title": "x"});
        let expected = json!({
            "userName": "a", "active": false, "displayName": "A", "name": {"givenName": "G"},
            "emails": [{"type": "work", "value": "a@b"}], (ENTERPRISE_URN): {"department": "d", "manager": {"value": "m"}},
        });
        let old = json!([
            {"op": "Replace", "path": "active", "value": "False"},
            {"op": "Add", "path": "displayName", "value": "A"},
            {"op": "Replace", "path": "name.givenName", "value": "G"},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@b"},
            {"op": "Add", "path": format!("{ENTERPRISE_URN}:department"), "value": "d"},
            {"op": "Add", "path": format!("{ENTERPRISE_URN}:manager"), "value": "m"},
            {"op": "Replace", "path": "title", "value": ""},
        ]);
        assert_eq!(compat(&before, &old), expected);
        let new = json!([
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"},
            {"op": "replace", "value": {
                "active": false, "displayName": "A", "name.givenName": "G", "title": "",
                (format!("{ENTERPRISE_URN}:department")): "d", (format!("{ENTERPRISE_URN}:manager")): [{"$ref": null, "value": "m"}],
            }},
        ]);
        assert_eq!(compat(&before, &new), expected);
    }

    #[test]
    fn okta_deactivates_without_a_path() {
        let after = compat(
            &json!({"userName": "a", "active": true}),
            &json!([{"op": "replace", "value": {"active": false}}]),
        );
        assert_eq!(after["active"], json!(false));
    }

    #[test]
    fn values_are_added_replaced_and_removed_one_by_one() {
        let before = json!({"userName": "a", "emails": [
            {"type": "work", "value": "w", "primary": true}, {"type": "home", "value": "h"}]});
        let run = |operations: Value| compat(&before, &operations)["emails"].clone();
        let added = run(json!([{"op": "add", "path": "emails", "value": [{"value": "n", "primary": true}]}]));
        assert_eq!(
            added,
            json!([{"type": "work", "value": "w", "primary": false}, {"type": "home", "value": "h"}, {"value": "n", "primary": true}])
        );
        let again = run(json!([{"op": "add", "path": "emails", "value": [{"type": "home", "value": "h"}]}]));
        assert_eq!(again, before["emails"]);
        let removed = run(json!([{"op": "remove", "path": "emails[type eq \"HOME\"]"}]));
        assert_eq!(removed, json!([{"type": "work", "value": "w", "primary": true}]));
        let sub = run(json!([{"op": "remove", "path": "emails[type eq \"work\"].primary"}]));
        assert_eq!(sub, json!([{"type": "work", "value": "w"}, {"type": "home", "value": "h"}]));
        let by_value = run(json!([{"op": "remove", "path": "emails", "value": [{"value": "h"}]}]));
        assert_eq!(by_value, json!([{"type": "work", "value": "w", "primary": true}]));
        let all = run(json!([{"op": "remove", "path": "emails"}]));
        assert_eq!(all, Value::Null);
        let replaced = run(
            json!([{"op": "replace", "path": "emails[type eq \"home\"]", "value": {"type": "home", "value": "i"}}]),
        );
        assert_eq!(
            replaced,
            json!([{"type": "work", "value": "w", "primary": true}, {"type": "home", "value": "i"}])
        );
    }

    #[test]
    fn refusals_have_their_keyword() {
        let before = json!({"userName": "a"});
        for (operations, compat, rfc) in [
            (
                json!([{"op": "replace", "path": "groups", "value": []}]),
                ErrorType::Mutability,
                ErrorType::Mutability,
            ),
            (
                json!([{"op": "replace", "path": "id", "value": "x"}]),
                ErrorType::Mutability,
                ErrorType::Mutability,
            ),
            (
                json!([{"op": "replace", "path": "meta.location", "value": "x"}]),
                ErrorType::Mutability,
                ErrorType::Mutability,
            ),
            (
                json!([{"op": "add", "path": "__proto__.x", "value": 1}]),
                ErrorType::InvalidPath,
                ErrorType::InvalidPath,
            ),
            (
                json!([{"op": "add", "path": "name.colour", "value": "x"}]),
                ErrorType::InvalidPath,
                ErrorType::InvalidPath,
            ),
            (
                json!([{"op": "add", "path": "name[", "value": "x"}]),
                ErrorType::InvalidPath,
                ErrorType::InvalidPath,
            ),
            (
                json!([{"op": "add", "path": "title[x pr]", "value": "x"}]),
                ErrorType::InvalidPath,
                ErrorType::InvalidPath,
            ),
            (json!([{"op": "remove"}]), ErrorType::NoTarget, ErrorType::NoTarget),
            (json!([{"op": "remove", "path": "userName"}]), ErrorType::InvalidValue, ErrorType::InvalidValue),
            (json!([{"op": "add", "path": "title"}]), ErrorType::InvalidValue, ErrorType::InvalidValue),
            (json!([{"op": "move", "path": "title"}]), ErrorType::InvalidSyntax, ErrorType::InvalidSyntax),
            (
                json!([{"op": "replace", "path": "active", "value": 1}]),
                ErrorType::InvalidValue,
                ErrorType::InvalidValue,
            ),
            (json!([]), ErrorType::InvalidSyntax, ErrorType::InvalidSyntax),
        ] {
            assert_eq!(patched(&before, &operations, Profile::Compat).unwrap_err(), compat, "{operations}");
            assert_eq!(patched(&before, &operations, Profile::Rfc).unwrap_err(), rfc, "{operations}");
        }
        let missing = json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "x"}]);
        assert_eq!(patched(&before, &missing, Profile::Rfc).unwrap_err(), ErrorType::NoTarget);
    }
}
