//! A group's member changes, taken out of its PATCH.

use serde_json::Value;

use super::{Operation, Verb};
use crate::filter::{Filter, Operator};
use crate::{ErrorType, Profile, ScimError};

/// A change of a group's members, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// These come in.
    Add(Vec<String>),
    /// These go.
    Remove(Vec<String>),
    /// These, and no others, are in.
    Replace(Vec<String>),
}

/// The ids in a `members` value.
///
/// # Errors
/// `invalidValue` for anything but a list of `{"value": id}`.
pub fn member_ids(value: &Value) -> Result<Vec<String>, ScimError> {
    let wrong = || ScimError::value("`members` must be a list of objects with a `value`.");
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    let id = |item: &Value| match item {
        Value::String(id) => Some(id.clone()),
        Value::Object(members) => {
            let value = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("value"))?;
            value.1.as_str().map(ToOwned::to_owned)
        }
        _ => None,
    };
    let mut seen = std::collections::HashSet::new();
    let ids: Vec<String> = items.iter().map(|item| id(item).ok_or_else(wrong)).collect::<Result<_, _>>()?;
    Ok(ids.into_iter().filter(|id| seen.insert(id.clone())).collect())
}

/// Takes the member changes out of `operations`; what is left is about other attributes.
///
/// # Errors
/// `invalidPath`, `invalidFilter`, `invalidValue`, `mutability`.
pub fn split_members(
    operations: Vec<Operation>,
    profile: Profile,
) -> Result<(Vec<Operation>, Vec<MemberChange>), ScimError> {
    let mut rest = Vec::new();
    let mut changes = Vec::new();
    for mut operation in operations {
        let about_members =
            operation.path.as_ref().is_some_and(|path| path.attribute.name.eq_ignore_ascii_case("members"));
        if about_members {
            changes.extend(change(&operation)?);
            continue;
        }
        if operation.path.is_none()
            && let Some(Value::Object(members)) = &mut operation.value
        {
            let name = members.keys().find(|name| name.eq_ignore_ascii_case("members")).cloned();
            if let Some(value) = name.and_then(|name| members.remove(&name)) {
                let ids = member_ids(&value)?;
                changes.push(if operation.verb == Verb::Add {
                    MemberChange::Add(ids)
                } else {
                    MemberChange::Replace(ids)
                });
            }
            if members.is_empty() && profile.is_compat() {
                continue;
            }
        }
        rest.push(operation);
    }
    Ok((rest, changes))
}

fn change(operation: &Operation) -> Result<Option<MemberChange>, ScimError> {
    let Some(path) = &operation.path else { return Ok(None) };
    if path.attribute.sub.is_some() {
        return Err(ScimError::new(ErrorType::Mutability, "A member's attributes can't be changed."));
    }
    let ids = || member_ids(operation.value.as_ref().unwrap_or(&Value::Null));
    Ok(Some(match (operation.verb, &path.filter) {
        (Verb::Add, None) => MemberChange::Add(ids()?),
        (Verb::Replace, None) => MemberChange::Replace(ids()?),
        // Entra removes by value, pingidentity by a value that repeats the attribute; the RFC removes all.
        (Verb::Remove, None) => match &operation.value {
            None | Some(Value::Null) => MemberChange::Replace(Vec::new()),
            Some(Value::Object(object)) if object.contains_key("members") => {
                MemberChange::Remove(member_ids(object.get("members").unwrap_or(&Value::Null))?)
            }
            Some(_) => MemberChange::Remove(ids()?),
        },
        (Verb::Remove, Some(filter)) => MemberChange::Remove(values_of(filter)?),
        (_, Some(_)) => {
            return Err(ScimError::new(ErrorType::Mutability, "A member's attributes can't be changed."));
        }
    }))
}

/// The ids that a filter names: `value eq "a"`, or several with `or`.
fn values_of(filter: &Filter) -> Result<Vec<String>, ScimError> {
    match filter {
        Filter::Or(left, right) => Ok([values_of(left)?, values_of(right)?].concat()),
        Filter::Compare(path, Operator::Eq, Value::String(id)) if path.name.eq_ignore_ascii_case("value") => {
            Ok(vec![id.clone()])
        }
        _ => Err(ScimError::new(ErrorType::InvalidFilter, "Members are found by `value eq`.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::patch::parse;

    fn split(operations: Value) -> (usize, Vec<MemberChange>) {
        let operations = parse(&json!({"Operations": operations}), Profile::Compat).unwrap();
        let (rest, changes) = split_members(operations, Profile::Compat).unwrap();
        (rest.len(), changes)
    }

    #[test]
    fn every_clients_way_of_changing_members_is_understood() {
        let ids = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let entra_add = json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "a"}]}]);
        assert_eq!(split(entra_add), (0, vec![MemberChange::Add(ids(&["a"]))]));
        let entra_remove =
            json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}]);
        assert_eq!(split(entra_remove), (0, vec![MemberChange::Remove(ids(&["a"]))]));
        let okta = json!([
            {"op": "remove", "path": "members[value eq \"a\"]"},
            {"op": "add", "path": "members", "value": [{"value": "b", "display": "B"}]},
        ]);
        assert_eq!(split(okta), (0, vec![MemberChange::Remove(ids(&["a"])), MemberChange::Add(ids(&["b"]))]));
        let okta_full = json!([{"op": "replace", "value": {"members": [{"value": "a"}, {"value": "a"}]}}]);
        assert_eq!(split(okta_full), (0, vec![MemberChange::Replace(ids(&["a"]))]));
        let rename = json!([{"op": "replace", "value": {"id": "g", "displayName": "x"}}]);
        assert_eq!(split(rename), (1, vec![]));
        let ping = json!([{"op": "remove", "path": "members", "value": {"members": [{"value": "a"}]}}]);
        assert_eq!(split(ping), (0, vec![MemberChange::Remove(ids(&["a"]))]));
        assert_eq!(
            split(json!([{"op": "remove", "path": "members"}])),
            (0, vec![MemberChange::Replace(vec![])])
        );
    }
}
