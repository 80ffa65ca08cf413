//! What an update changed, for its audit record.

use sea_orm::{IdenStatic as _, Iterable as _, ModelTrait, Value};
use serde_json::{Map, Value as Json, json};
use url::Url;

use super::Target;
use crate::event::camel_case;

/// Columns that say nothing of what was changed.
const UNTOLD: [&str; 4] = ["tenant_id", "version", "created_at", "updated_at"];
/// Bytes of a value's JSON that a record shows; of a larger one it says only that it changed.
const SHOWN_MAX: usize = 2000;

impl Target {
    /// Adds what was changed: the columns that differ, under `from` and `to`; `from` is null where there was nothing before. What is secret
    /// or very large is only named, under `notShown`.
    #[must_use]
    pub fn changed<'a, M: ModelTrait>(mut self, before: impl Into<Option<&'a M>>, after: &'a M) -> Self {
        let before = before.into();
        let (mut from, mut to, mut not_shown) = (Map::new(), Map::new(), Vec::new());
        for column in <M::Entity as sea_orm::EntityTrait>::Column::iter() {
            let (was, is) = (before.map(|row| row.get(column)), after.get(column));
            if UNTOLD.contains(&column.as_str()) || was.as_ref() == Some(&is) {
                continue;
            }
            let name = camel_case(column.as_str());
            let both = (
                was.map_or(Some(Json::Null), |was| shown(column.as_str(), &was)),
                shown(column.as_str(), &is),
            );
            let (Some(was), Some(is)) = both else {
                not_shown.push(name);
                continue;
            };
            from.insert(name.clone(), was);
            to.insert(name, is);
        }
        if from.is_empty() && not_shown.is_empty() {
            return self;
        }
        let from = before.map_or(Json::Null, |_| from.into());
        if let Json::Object(details) = &mut self.details {
            details.extend([("from".to_owned(), from), ("to".to_owned(), to.into())]);
            if !not_shown.is_empty() {
                details.insert("notShown".to_owned(), json!(not_shown));
            }
        }
        self
    }
}

/// A value as a record may show it. Secrets are bytes, sealed or digested, or text in a column that says so: none of these has a form here.
fn shown(column: &str, value: &Value) -> Option<Json> {
    if (column.contains("secret") && !column.ends_with("_at")) || column.ends_with("_hash") {
        return None;
    }
    let json = match value {
        Value::Bool(value) => json!(value),
        Value::BigInt(value) => json!(value),
        Value::String(value) => json!(value),
        Value::Uuid(value) => json!(value),
        Value::ChronoDateTimeUtc(value) => json!(value),
        Value::Json(value) => json!(value),
        _ => return None,
    };
    let json = without_queries(json);
    (json.to_string().len() <= SHOWN_MAX).then_some(json)
}

/// The same with `…` for what stands in a URL as user information, query or fragment: that may be what opens the door there.
fn without_queries(json: Json) -> Json {
    match json {
        Json::String(text) => Json::String(without_query(text)),
        Json::Array(items) => items.into_iter().map(without_queries).collect(),
        Json::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, without_queries(value))).collect()
        }
        other => other,
    }
}

fn without_query(text: String) -> String {
    let Ok(mut url) = Url::parse(&text) else { return text };
    let is_open = |url: &Url| url.query().is_none() && url.fragment().is_none() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || is_open(&url) && url.username().is_empty() {
        return text;
    }
    url.set_query(None);
    url.set_fragment(None);
    // Of a URL with a host both can be set.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    format!("{url}…")
}

#[cfg(test)]
mod tests {
    use entity::webhooks::endpoint::Model;
    use entity::webhooks::states::{Algorithm, Format};
    use uuid::Uuid;

    use super::*;
    use crate::Timestamp;

    fn endpoint() -> Model {
        Model {
            id: Uuid::nil(),
            url: "https://one.example".to_owned(),
            event_types: json!([]),
            secret: b"sealed".to_vec(),
            format: Format::Webhook,
            disabled_at: None,
            description: String::new(),
            algorithm: Algorithm::HmacSha256,
            previous_secret: None,
            previous_until: None,
            disabled_reason: None,
            failures: 0,
            failing_since: None,
            paused_until: None,
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn details(before: Option<&Model>, after: &Model) -> Json {
        Target::new("webhook_endpoint", after.id).changed(before, after).details
    }

    #[test]
    fn a_record_says_what_changed_and_no_secret() {
        let before = endpoint();
        assert_eq!(details(Some(&before), &before), json!({}), "nothing changed");
        let after = Model {
            url: "https://two.example".to_owned(),
            event_types: json!(["user.*"]),
            secret: b"another".to_vec(),
            description: "x".repeat(SHOWN_MAX),
            algorithm: Algorithm::Ed25519,
            disabled_at: Some(Timestamp::UNIX_EPOCH),
            version: 2,
            ..endpoint()
        };
        assert_eq!(
            details(Some(&before), &after),
            json!({
                "from": {"url": "https://one.example", "eventTypes": [], "disabledAt": null, "algorithm": "hmac-sha256"},
                "to": {
                    "url": "https://two.example", "eventTypes": ["user.*"], "disabledAt": "1970-01-01T00:00:00Z",
                    "algorithm": "ed25519",
                },
                "notShown": ["secret", "description"],
            })
        );
    }

    #[test]
    fn what_was_not_there_before_has_no_from() {
        let made = details(None, &endpoint());
        assert_eq!((&made["from"], &made["to"]["url"]), (&Json::Null, &json!("https://one.example")));
        assert!(made["notShown"].as_array().is_some_and(|names| names.contains(&json!("secret"))), "{made}");
    }

    #[test]
    fn a_url_is_shown_without_what_may_open_the_door_there() {
        for (url, shown) in [
            ("https://hooks.example/x", "https://hooks.example/x"),
            ("https://hooks.example/x?sig=secret", "https://hooks.example/x…"),
            ("https://user:pass@hooks.example/x#secret", "https://hooks.example/x…"),
            ("no url?sig=1", "no url?sig=1"),
            ("urn:x?sig=1", "urn:x?sig=1"),
        ] {
            assert_eq!(without_queries(json!({"urls": [url]})), json!({"urls": [shown]}));
        }
    }
}
