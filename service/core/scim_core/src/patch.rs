//! PATCH (RFC 7644, section 3.5.2), on a resource in canonical form.
//!
//! A group's members are taken out of the operations by [`split_members`]: adding one member is one row, never a read of
//! the group.

mod apply;
mod members;
mod target;

use serde_json::Value;

use crate::path::Path;
use crate::{ErrorType, Profile, ScimError};

pub use apply::apply;
pub use members::{MemberChange, member_ids, split_members};

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

/// Reads a PATCH request.
///
/// # Errors
/// `invalidSyntax`, `invalidPath`, `invalidFilter`, `noTarget`, `invalidValue`.
pub fn parse(body: &Value, profile: Profile) -> Result<Vec<Operation>, ScimError> {
    let member = |object: &Value, name: &str| -> Option<Value> {
        let members = object.as_object()?;
        members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let Some(Value::Array(list)) = member(body, "Operations") else {
        return Err(ScimError::syntax("The body must have an array `Operations`."));
    };
    if list.is_empty() || list.len() > OPERATIONS_MAX {
        return Err(ScimError::syntax(format!("There must be 1 to {OPERATIONS_MAX} operations.")));
    }
    list.iter()
        .map(|one| {
            let verb =
                member(one, "op").and_then(|op| op.as_str().map(str::to_ascii_lowercase)).unwrap_or_default();
            let verb = match verb.as_str() {
                "add" => Verb::Add,
                "remove" => Verb::Remove,
                "replace" => Verb::Replace,
                _ => return Err(ScimError::syntax("`op` must be add, remove or replace.")),
            };
            let path = match member(one, "path") {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) if text.is_empty() && profile.is_compat() => None,
                Some(Value::String(text)) => Some(Path::parse(&text, profile)?),
                Some(_) => return Err(ScimError::new(ErrorType::InvalidPath, "`path` must be a string.")),
            };
            let value = member(one, "value");
            match (verb, &path, &value) {
                (Verb::Remove, None, _) => {
                    Err(ScimError::new(ErrorType::NoTarget, "A removal needs a path."))
                }
                (Verb::Add | Verb::Replace, _, None) => Err(ScimError::value("`value` is missing.")),
                (Verb::Add | Verb::Replace, None, Some(value)) if !value.is_object() => {
                    Err(ScimError::value("Without a path, `value` must be an object."))
                }
                _ => Ok(Operation { verb, path, value }),
            }
        })
        .collect()
}
