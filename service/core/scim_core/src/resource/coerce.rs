//! One value checked against its attribute.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::shown;
use crate::schema::{Attribute, Kind};
use crate::{Profile, ScimError, instant};

/// Characters of one text.
const TEXT_MAX: usize = 4096;
/// Values of one multi-valued attribute.
pub(crate) const VALUES_MAX: usize = 1000;

/// The value in canonical form; `None`: unassigned.
pub(crate) fn coerce(
    attribute: &Attribute,
    value: &Value,
    profile: Profile,
) -> Result<Option<Value>, ScimError> {
    if !attribute.multi {
        return single(attribute, value, profile);
    }
    let wrapped;
    let items = match value {
        Value::Null => return Ok(None),
        Value::Array(items) => items,
        Value::String(text) if text.is_empty() && profile.is_compat() => return Ok(None),
        other if profile.is_compat() => {
            wrapped = vec![other.clone()];
            &wrapped
        }
        _ => return Err(ScimError::value(format!("`{}` must be an array.", attribute.name))),
    };
    if items.len() > VALUES_MAX {
        return Err(ScimError::value(format!("`{}` has more than {VALUES_MAX} values.", attribute.name)));
    }
    let mut list = Vec::with_capacity(items.len());
    for item in items {
        list.extend(single(attribute, item, profile)?);
    }
    dedupe(&mut list);
    if list.iter().filter(|item| item.get("primary") == Some(&Value::Bool(true))).count() > 1 {
        return Err(ScimError::value(format!("`{}` has more than one primary value.", attribute.name)));
    }
    Ok(if list.is_empty() { None } else { Some(Value::Array(list)) })
}

/// Values that are equal fall together (RFC 7643, section 2.4).
fn dedupe(list: &mut Vec<Value>) {
    let mut seen = std::collections::HashSet::new();
    list.retain(|value| seen.insert(value.to_string()));
}

fn single(attribute: &Attribute, value: &Value, profile: Profile) -> Result<Option<Value>, ScimError> {
    let wrong = |kind: &str| Err(ScimError::value(format!("`{}` must be {kind}.", attribute.name)));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        // `manager: [{…}]`, as Entra's documentation has it.
        (_, Value::Array(items)) if profile.is_compat() && items.len() <= 1 => match items.first() {
            Some(item) if !item.is_array() => single(attribute, item, profile),
            _ => Ok(None),
        },
        (Kind::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        (Kind::Boolean, Value::String(text)) if profile.is_compat() => {
            match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Some(Value::Bool(true))),
                "false" => Ok(Some(Value::Bool(false))),
                "" => Ok(None),
                _ => wrong("a boolean"),
            }
        }
        (Kind::Boolean, _) => wrong("a boolean"),
        (Kind::Complex, Value::Object(members)) => complex(attribute, members, profile),
        (Kind::Complex, Value::String(text))
            if profile.is_compat() && attribute.find_sub("value").is_some() =>
        {
            let members = Map::from_iter([("value".to_owned(), Value::String(text.clone()))]);
            complex(attribute, &members, profile)
        }
        (Kind::Complex, _) => wrong("an object"),
        // An empty string unassigns: Entra clears by it.
        (_, Value::String(text)) if text.is_empty() && profile.is_compat() => Ok(None),
        (_, Value::String(text)) if text.chars().count() > TEXT_MAX => {
            wrong(&format!("at most {TEXT_MAX} characters"))
        }
        (_, Value::String(text)) if text.contains('\0') => wrong("a string without NUL"),
        (Kind::DateTime, Value::String(text)) if instant(text).is_none() => {
            wrong("a date and time of RFC 3339")
        }
        (Kind::Binary, Value::String(text)) if STANDARD.decode(text.trim()).is_err() => wrong("base64"),
        (Kind::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(Some(value.clone()))
        }
        (Kind::Decimal, Value::Number(_)) => Ok(Some(value.clone())),
        (Kind::Integer, _) => wrong("an integer"),
        (Kind::Decimal, _) => wrong("a number"),
        (_, Value::String(_)) => Ok(Some(value.clone())),
        _ => wrong("a string"),
    }
}

fn complex(
    attribute: &Attribute,
    members: &Map<String, Value>,
    profile: Profile,
) -> Result<Option<Value>, ScimError> {
    let mut object = Map::new();
    for (name, value) in members {
        let Some(sub) = attribute.find_sub(name) else {
            if profile.is_compat() {
                continue;
            }
            let name = shown(name);
            return Err(ScimError::syntax(format!("`{}` has no sub-attribute `{name}`.", attribute.name)));
        };
        if sub.mutability == crate::schema::Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = coerce(sub, value, profile)? {
            object.insert(sub.name.to_owned(), value);
        }
    }
    Ok(if object.is_empty() { None } else { Some(Value::Object(object)) })
}

#[cfg(test)]
mod tests;
