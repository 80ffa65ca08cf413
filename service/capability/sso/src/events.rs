//! Ended sessions as security event tokens: CAEP's `session-revoked` (OpenID CAEP 1.0, section 3.1; RFC 8417).

use serde_json::{Map, Value, json};
use sessions::Ended;

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// What a security event token says about an event; `None` for events that end no session. `issuer` is the platform's, whose
/// subjects people are.
pub fn security_event(
    kind: &str,
    data: &Value,
    issuer: &str,
    tenant: Option<uuid::Uuid>,
    at: platform::Timestamp,
) -> Option<Map<String, Value>> {
    if kind != "session.ended" {
        return None;
    }
    // RFC 9493, section 3.2.2: the session of a person of a tenant, as far as it is one.
    let mut subject = Map::from_iter([("format".to_owned(), json!("complex"))]);
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    if let Some(user) = text("userId") {
        subject.insert("user".to_owned(), json!({"format": "iss_sub", "iss": issuer, "sub": user}));
    }
    if let Some(session) = text("sessionId") {
        subject.insert("session".to_owned(), json!({"format": "opaque", "id": session}));
    }
    if let Some(organization) = text("organizationId") {
        subject.insert("org_unit".to_owned(), json!({"format": "opaque", "id": organization}));
    }
    if let Some(tenant) = tenant {
        subject.insert("tenant".to_owned(), json!({"format": "opaque", "id": tenant}));
    }
    let reason = text("reason").unwrap_or_default();
    let by = match Ended::parse(reason) {
        Some(Ended::SignedOut) => "user",
        Some(Ended::Revoked | Ended::UserDeactivated | Ended::TenantStopped) => "admin",
        Some(Ended::RefreshReused | Ended::CodeReused | Ended::Superseded | Ended::AccountClaimed) => {
            "policy"
        }
        Some(Ended::ProviderSignedOut) | None => "system",
    };
    let payload =
        json!({"event_timestamp": at.timestamp(), "initiating_entity": by, "reason_admin": {"en": reason}});
    Some(Map::from_iter([
        ("sub_id".to_owned(), Value::Object(subject)),
        ("events".to_owned(), json!({SESSION_REVOKED: payload})),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_session_is_a_revoked_one() {
        let data = json!({"userId": "u1", "sessionId": "s1", "reason": "refresh_reused", "count": 1});
        let at = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let event = security_event("session.ended", &data, "https://id.example", None, at).unwrap();
        assert_eq!(
            event["sub_id"]["user"],
            json!({"format": "iss_sub", "iss": "https://id.example", "sub": "u1"})
        );
        assert_eq!(event["sub_id"]["session"]["id"], "s1");
        let payload = &event["events"][SESSION_REVOKED];
        assert_eq!(
            (&payload["event_timestamp"], &payload["initiating_entity"]),
            (&json!(1_790_000_000), &json!("policy"))
        );
        assert!(security_event("user.created", &data, "", None, at).is_none());
    }
}
