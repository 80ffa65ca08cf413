//! A body checked against its schemas and put into canonical form; a resource cut to what was asked for.
//!
//! The canonical form is a JSON object with names in the schema's case, extensions under their URN, without `id`,
//! `meta`, `schemas`, read-only and write-only attributes, and without anything unassigned: null, `[]` and absent are
//! the same (RFC 7643, section 2.5). Values stay as they were sent.

mod coerce;
mod project;

use serde_json::{Map, Value};

use crate::document::{Budget, Document, member_ids};
use crate::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::{ErrorType, Profile, ScimError};

pub(crate) use coerce::{VALUES_MAX, coerce};
pub use project::{NAMES_BYTES_MAX, Projection, envelope};

/// Bytes of a resource in canonical form, without its members.
pub const BYTES_MAX: usize = 64 << 10;

/// A resource in canonical form.
pub type Resource = Map<String, Value>;

/// A body in canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalized {
    /// Its attributes, but members.
    pub resource: Resource,
    /// Ids of its members, if it has any.
    pub members: Vec<String>,
}

/// Checks a body for POST or PUT and puts it into canonical form.
///
/// # Errors
/// `invalidSyntax` for a wrong structure, `invalidValue` for a wrong or missing value.
pub fn normalize(
    kind: &ResourceType,
    body: &Document<'_>,
    profile: Profile,
) -> Result<Normalized, ScimError> {
    check_schemas(kind, body, profile)?;
    let mut all = Normalized::default();
    let mut budget = Budget::default();
    for (name, raw) in body.iter() {
        if name.eq_ignore_ascii_case("schemas") {
            continue;
        }
        if kind.has_members() && name.eq_ignore_ascii_case("members") {
            all.members = member_ids(raw)?;
            continue;
        }
        let value = budget.read(raw)?;
        if let Some(extension) = kind.extension(name) {
            let inner = extension_members(extension, &value, profile)?;
            if !inner.is_empty() {
                all.resource.insert(extension.urn.clone(), Value::Object(inner));
            }
            continue;
        }
        match kind.locate(None, name) {
            Some(located) => insert(&mut all.resource, located.attribute, &value, profile)?,
            // Entra sends unknown schemas, attributes of extensions at the top, and a misspelt URN.
            None if profile.is_compat() => {}
            None => return Err(ScimError::syntax(format!("There is no attribute `{}`.", shown(name)))),
        }
    }
    check_required(kind, &all.resource)?;
    check_size(&all.resource, 0)?;
    Ok(all)
}

/// Whether a resource isn't larger than it may be, or at least not larger than it was.
///
/// # Errors
/// `tooLarge`.
pub fn check_size(resource: &Resource, before: usize) -> Result<(), ScimError> {
    if bytes(resource) <= before.max(BYTES_MAX) {
        return Ok(());
    }
    Err(ScimError::large(format!("The resource would have more than {BYTES_MAX} bytes.")))
}

/// Bytes of a resource as text, nearly.
pub fn bytes(resource: &Resource) -> usize {
    resource.iter().map(|(name, value)| name.len() + 4 + value_bytes(value)).sum::<usize>() + 2
}

/// Bytes of a value as text, nearly.
pub(crate) fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 3,
        Value::Array(items) => items.iter().map(value_bytes).sum::<usize>() + 2,
        Value::Object(members) => bytes(members),
        _ => 8,
    }
}

/// Whether everything that must be there is there.
///
/// # Errors
/// `invalidValue`.
pub fn check_required(kind: &ResourceType, resource: &Resource) -> Result<(), ScimError> {
    for attribute in kind.schema.attributes.iter().filter(|attribute| attribute.required) {
        let there = match resource.get(&attribute.name) {
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

/// Whether what may be set only once is still what it was (RFC 7643, section 7).
///
/// # Errors
/// `mutability`.
pub fn check_immutable(kind: &ResourceType, before: &Resource, after: &Resource) -> Result<(), ScimError> {
    let changed = |attributes: &[Attribute], before: &Resource, after: &Resource| {
        let immutable = attributes.iter().filter(|one| one.mutability == Mutability::Immutable);
        let mut set = immutable.filter(|one| before.contains_key(&one.name));
        set.find(|one| before.get(&one.name) != after.get(&one.name)).map(|one| one.name.clone())
    };
    let empty = Resource::new();
    let extensions = kind.extensions.iter().find_map(|extension| {
        let part = |of: &'_ Resource| of.get(&extension.urn).and_then(Value::as_object).cloned();
        let (before, after) = (part(before)?, part(after));
        changed(&extension.attributes, &before, after.as_ref().unwrap_or(&empty))
    });
    match changed(&kind.schema.attributes, before, after).or(extensions) {
        Some(name) => Err(ScimError::new(ErrorType::Mutability, format!("`{name}` can be set only once."))),
        None => Ok(()),
    }
}

/// The schemas that a resource uses: its core schema and each extension that has a value.
pub fn schemas<'a>(kind: &'a ResourceType, resource: &Resource) -> Vec<&'a str> {
    let used = kind.extensions.iter().filter(|extension| resource.contains_key(&extension.urn));
    std::iter::once(&kind.schema).chain(used).map(|schema| schema.urn.as_str()).collect()
}

fn check_schemas(kind: &ResourceType, body: &Document<'_>, profile: Profile) -> Result<(), ScimError> {
    if profile.is_compat() {
        return Ok(());
    }
    let Some(Value::Array(listed)) = body.value("schemas")? else {
        return Err(ScimError::syntax("`schemas` is missing."));
    };
    let core = &kind.schema.urn;
    if !listed.iter().any(|one| one.as_str().is_some_and(|text| text.eq_ignore_ascii_case(core))) {
        return Err(ScimError::syntax(format!("`schemas` must contain `{core}`.")));
    }
    let known = |text: &str| text.eq_ignore_ascii_case(core) || kind.extension(text).is_some();
    match listed.iter().find(|one| !one.as_str().is_some_and(known)) {
        Some(one) => Err(ScimError::syntax(format!("There is no schema `{}`.", shown(&one.to_string())))),
        None => Ok(()),
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
            // Libraries that model an extension as a resource repeat its URN in it.
            None if profile.is_compat() || name.eq_ignore_ascii_case("schemas") => {}
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
        into.insert(attribute.name.clone(), value);
    }
    Ok(())
}

/// A name from the client, fit for a message.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
