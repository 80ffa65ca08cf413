//! PATCH (RFC 7644, section 3.5.2), on a resource in canonical form.
//!
//! A group's members are taken out of the operations by [`parse`]: adding one member is one row, never a read of
//! the group.

mod apply;
pub mod cost;
mod members;
mod target;

use serde_json::Value;

use crate::document::{Budget, Document};
use crate::path::Path;
use crate::schema::ResourceType;
use crate::{ErrorType, Profile, ScimError};

pub use apply::apply;
pub use members::MemberChange;

/// Operations in one request.
pub const OPERATIONS_MAX: usize = 1000;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Adds values.
    Add,
    /// Removes values.
    Remove,
    /// Replaces values.
    Replace,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What it does.
    pub verb: Verb,
    /// To what; `None`: to the whole resource.
    pub path: Option<Path>,
    /// With what.
    pub value: Option<Value>,
}

/// A PATCH request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// What is done to attributes.
    pub operations: Vec<Operation>,
    /// What is done to members.
    pub members: Vec<MemberChange>,
}

/// Reads a PATCH request.
///
/// # Errors
/// `invalidSyntax`, `invalidPath`, `invalidFilter`, `noTarget`, `invalidValue`, `mutability`, `tooLarge`.
pub fn parse(kind: &ResourceType, body: &Document<'_>, profile: Profile) -> Result<Patch, ScimError> {
    let wrong = || ScimError::syntax("The body must have an array of objects `Operations`.");
    let list = body.get("Operations").ok_or_else(wrong)?;
    let list: Vec<Document<'_>> = serde_json::from_str(list.get()).map_err(|_| wrong())?;
    if list.is_empty() || list.len() > OPERATIONS_MAX {
        return Err(ScimError::syntax(format!("There must be 1 to {OPERATIONS_MAX} operations.")));
    }
    let mut patch = Patch::default();
    let mut budget = Budget::default();
    for one in &list {
        let verb = match one.text("op")?.unwrap_or_default().to_ascii_lowercase().as_str() {
            "add" => Verb::Add,
            "remove" => Verb::Remove,
            "replace" => Verb::Replace,
            _ => return Err(ScimError::syntax("`op` must be add, remove or replace.")),
        };
        let path = match one.value("path")? {
            None => None,
            Some(Value::String(text)) if text.is_empty() && profile.is_compat() => None,
            Some(Value::String(text)) => Some(Path::parse(&text, profile)?),
            Some(_) => return Err(ScimError::new(ErrorType::InvalidPath, "`path` must be a string.")),
        };
        let raw = one.get("value");
        match (verb, &path, raw) {
            (Verb::Remove, None, _) => {
                return Err(ScimError::new(ErrorType::NoTarget, "`remove` requires a `path`."));
            }
            (Verb::Add | Verb::Replace, _, None) => return Err(ScimError::value("`value` is missing.")),
            (Verb::Add | Verb::Replace, None, Some(raw)) if !raw.get().starts_with('{') => {
                return Err(ScimError::value("Without a path, `value` must be an object."));
            }
            _ => {}
        }
        let raw = if kind.has_members() {
            match members::take(&mut patch.members, verb, path.as_ref(), raw, &mut budget)? {
                members::Taken::All => continue,
                members::Taken::Some(value) => {
                    patch.operations.push(Operation { verb, path, value: Some(value) });
                    continue;
                }
                members::Taken::Nothing => raw,
            }
        } else {
            raw
        };
        let value = raw.map(|raw| budget.read(raw)).transpose()?;
        patch.operations.push(Operation { verb, path, value });
    }
    Ok(patch)
}

#[cfg(test)]
mod tests;
