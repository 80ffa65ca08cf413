//! Documents whose texts are compared without case, and moments compared across time zones. One function each, so that the
//! store's index, the filter's literal and the evaluation in memory can't disagree.

use chrono::{DateTime, SecondsFormat, Utc};
use identity_core::fold;
use serde_json::{Map, Value};

use crate::schema::{Attribute, Kind, ResourceType};

/// A document with all names and texts folded: what is searched for attributes that are compared without case.
fn fold_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(fold(text)),
        Value::Array(items) => items.iter().map(fold_value).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (name.to_lowercase(), fold_value(value))).collect(),
        ),
        other => other.clone(),
    }
}

/// The searched form of a resource: folded, moments in UTC.
pub fn fold_resource(kind: &ResourceType, resource: &Map<String, Value>) -> Value {
    let mut folded = fold_value(&Value::Object(resource.clone()));
    for extension in &kind.extensions {
        let Some(place) = folded.get_mut(extension.urn.to_lowercase()) else { continue };
        moments(&extension.attributes, place);
    }
    moments(&kind.schema.attributes, &mut folded);
    folded
}

fn moments(attributes: &[Attribute], place: &mut Value) {
    for attribute in attributes.iter().filter(|one| matches!(one.kind, Kind::DateTime | Kind::Complex)) {
        let Some(value) = place.get_mut(attribute.name.to_lowercase()) else { continue };
        let each = |value: &mut Value| match value {
            Value::String(text) if attribute.kind == Kind::DateTime => {
                if let Some(at) = instant(text) {
                    *text = at;
                }
            }
            Value::Object(_) => moments(&attribute.sub, value),
            _ => {}
        };
        match value {
            Value::Array(items) => items.iter_mut().for_each(each),
            single => each(single),
        }
    }
}

/// A moment (RFC 7643, section 2.3.5) in UTC with microseconds: moments written so compare as texts. `None` if it isn't
/// one.
pub fn instant(text: &str) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(text.trim()).ok()?;
    Some(at.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_every_zone() {
        assert_eq!(instant("2011-05-13T04:42:34Z"), instant("2011-05-13T06:42:34.000+02:00"));
        assert!(instant("2011-05-13T04:42:34.1Z").unwrap() > instant("2011-05-13T04:42:34Z").unwrap());
        assert!(instant("2011-02-30T04:42:34Z").is_none() && instant("yesterday").is_none());
    }

    /// RFC 7643, section 2.3.5, wherever the moment stands.
    #[test]
    fn a_resource_is_searched_by_folded_texts_and_moments_in_utc() {
        let moment = "2026-01-01T12:00:00+02:00";
        let utc = "2026-01-01T10:00:00.000000Z";
        let badge = serde_json::json!({"id": "urn:Acme:Badge", "name": "Badge", "attributes": [
            {"name": "Since", "type": "dateTime"}, {"name": "days", "type": "dateTime", "multiValued": true},
            {"name": "label"},
            {"name": "pin", "type": "complex", "multiValued": true, "subAttributes": [{"name": "at", "type": "dateTime"}]}]});
        let registry =
            crate::schema::Registry::with([("User".to_owned(), serde_json::from_value(badge).unwrap())]);
        let resource = serde_json::json!({
            "userName": "Ann", "active": true, "meta": {"created": moment}, "emails": [{"Value": "A@X"}],
            "urn:Acme:Badge": {"Since": moment, "days": [moment, "Soon"], "label": moment, "pin": [{"at": moment}]},
        });
        let expected = serde_json::json!({
            "username": "ann", "active": true, "meta": {"created": fold(moment)}, "emails": [{"value": "a@x"}],
            "urn:acme:badge": {"since": utc, "days": [utc, "soon"], "label": fold(moment), "pin": [{"at": utc}]},
        });
        assert_eq!(fold_resource(&registry.users, resource.as_object().unwrap()), expected);
    }
}
