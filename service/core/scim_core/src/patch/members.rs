//! A group's member changes, taken out of its PATCH.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Verb;
use crate::document::{Budget, Document, member_ids};
use crate::filter::{Filter, Operator};
use crate::path::Path;
use crate::{ErrorType, ScimError};

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

/// What of an operation was about members.
pub(super) enum Taken {
    /// All of it.
    All,
    /// A part; this is left of its value.
    Some(Value),
    /// None of it.
    Nothing,
}

/// Takes what an operation does to members. Neighbours that do the same become one change: clients send a thousand
/// operations with a member each.
pub(super) fn take(
    changes: &mut Vec<MemberChange>,
    verb: Verb,
    path: Option<&Path>,
    raw: Option<&RawValue>,
    budget: &mut Budget,
) -> Result<Taken, ScimError> {
    match path {
        Some(path) if path.attribute.name.eq_ignore_ascii_case("members") => {
            push(changes, change(verb, path, raw)?);
            Ok(Taken::All)
        }
        Some(_) => Ok(Taken::Nothing),
        None => {
            let Some(raw) = raw else { return Ok(Taken::Nothing) };
            let document = Document::part(raw.get().as_bytes())?;
            let Some(members) = document.get("members") else { return Ok(Taken::Nothing) };
            let ids = member_ids(members)?;
            push(
                changes,
                if verb == Verb::Add { MemberChange::Add(ids) } else { MemberChange::Replace(ids) },
            );
            let mut rest = Map::new();
            for (name, value) in document.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("members")) {
                rest.insert(name.to_owned(), budget.read(value)?);
            }
            Ok(if rest.is_empty() { Taken::All } else { Taken::Some(Value::Object(rest)) })
        }
    }
}

fn push(changes: &mut Vec<MemberChange>, change: MemberChange) {
    match (changes.last_mut(), change) {
        (Some(MemberChange::Add(ids)), MemberChange::Add(more)) => ids.extend(more),
        (Some(MemberChange::Remove(ids)), MemberChange::Remove(more)) => ids.extend(more),
        (_, change) => changes.push(change),
    }
}

fn change(verb: Verb, path: &Path, raw: Option<&RawValue>) -> Result<MemberChange, ScimError> {
    if path.attribute.sub.is_some() {
        return Err(ScimError::new(ErrorType::Mutability, "A member's attributes can't be changed."));
    }
    let raw = raw.filter(|raw| raw.get() != "null");
    let ids = || raw.map_or_else(|| Ok(Vec::new()), member_ids);
    Ok(match (verb, &path.filter) {
        (Verb::Add, None) => MemberChange::Add(ids()?),
        (Verb::Replace, None) => MemberChange::Replace(ids()?),
        // Entra removes by value, pingidentity by a value that repeats the attribute; the RFC removes all.
        (Verb::Remove, None) => match raw {
            None => MemberChange::Replace(Vec::new()),
            Some(value) => {
                let repeated = value.get().starts_with('{').then(|| Document::part(value.get().as_bytes()));
                let repeated = repeated.transpose()?;
                match repeated.as_ref().and_then(|document| document.get("members")) {
                    Some(members) => MemberChange::Remove(member_ids(members)?),
                    None => MemberChange::Remove(ids()?),
                }
            }
        },
        (Verb::Remove, Some(filter)) => MemberChange::Remove(values_of(filter)?),
        (_, Some(_)) => {
            return Err(ScimError::new(ErrorType::Mutability, "A member's attributes can't be changed."));
        }
    })
}

/// The ids that a filter names: `value eq "a"`, or several with `or`.
fn values_of(filter: &Filter) -> Result<Vec<String>, ScimError> {
    match filter {
        Filter::Or(left, right) => Ok([values_of(left)?, values_of(right)?].concat()),
        Filter::Compare(path, Operator::Eq, Value::String(id)) if path.name.eq_ignore_ascii_case("value") => {
            Ok(vec![id.clone()])
        }
        _ => Err(ScimError::new(ErrorType::InvalidFilter, "Members can be selected only by `value eq`.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Profile;
    use crate::patch::tests::read;
    use crate::schema::GROUPS;

    fn split(operations: Value) -> (usize, Vec<MemberChange>) {
        let patch = read(&GROUPS, &json!({"Operations": operations}), Profile::Compat).unwrap();
        (patch.operations.len(), patch.members)
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
        let one_by_one = json!([
            {"op": "add", "path": "members", "value": [{"value": "a"}]}, {"op": "add", "path": "members", "value": {"value": "b"}}]);
        assert_eq!(split(one_by_one), (0, vec![MemberChange::Add(ids(&["a", "b"]))]));
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
