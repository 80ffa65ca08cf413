//! Ended sessions as security event tokens: CAEP's `session-revoked` (OpenID CAEP 1.0, section 3.1; RFC 8417).

use entity::platform::outbox_event;
use platform::event::{Emitted as _, Unreadable};
use serde_json::{Map, Value, json};
use sessions::{Ended, SessionsEnded};

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// What a security event token says about an event; `None` for events that end no session. `issuer` is the platform's, whose
/// subjects people are.
///
/// # Errors
/// [`Unreadable`] for one that only a newer version can read.
pub fn security_event(
    event: &outbox_event::Model,
    issuer: &str,
) -> Result<Option<Map<String, Value>>, Unreadable> {
    let Some(ended) = event.read::<SessionsEnded>()? else { return Ok(None) };
    // RFC 9493, section 3.2.2: the session of a person of a tenant, as far as it is one.
    let mut subject = Map::from_iter([("format".to_owned(), json!("complex"))]);
    if let Some(user) = ended.user_id {
        subject.insert("user".to_owned(), json!({"format": "iss_sub", "iss": issuer, "sub": user}));
    }
    if let Some(session) = ended.session_id {
        subject.insert("session".to_owned(), json!({"format": "opaque", "id": session}));
    }
    if let Some(organization) = ended.organization_id {
        subject.insert("org_unit".to_owned(), json!({"format": "opaque", "id": organization}));
    }
    if let Some(tenant) = event.tenant_id {
        subject.insert("tenant".to_owned(), json!({"format": "opaque", "id": tenant}));
    }
    let by = match ended.reason {
        Ended::SignedOut => "user",
        Ended::Revoked | Ended::UserDeactivated | Ended::TenantStopped => "admin",
        Ended::RefreshReused | Ended::CodeReused | Ended::Superseded | Ended::AccountClaimed => "policy",
        Ended::ProviderSignedOut => "system",
    };
    let (at, reason) = (event.occurred_at, ended.reason);
    let payload =
        json!({"event_timestamp": at.timestamp(), "initiating_entity": by, "reason_admin": {"en": reason}});
    Ok(Some(Map::from_iter([
        ("sub_id".to_owned(), Value::Object(subject)),
        ("events".to_owned(), json!({SESSION_REVOKED: payload})),
    ])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str) -> outbox_event::Model {
        let id = uuid::Uuid::nil();
        outbox_event::Model {
            id,
            tenant_id: None,
            r#type: kind.to_owned(),
            data: json!({"userId": id, "sessionId": id, "reason": "refresh_reused", "count": 1}),
            occurred_at: chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
            request_id: None,
            dispatched_at: None,
            sequence: None,
        }
    }

    #[test]
    fn an_ended_session_is_a_revoked_one() {
        let token = security_event(&event("session.ended"), "https://id.example").unwrap().unwrap();
        let id = uuid::Uuid::nil();
        assert_eq!(
            token["sub_id"]["user"],
            json!({"format": "iss_sub", "iss": "https://id.example", "sub": id})
        );
        assert_eq!(token["sub_id"]["session"]["id"], json!(id));
        let payload = &token["events"][SESSION_REVOKED];
        assert_eq!(
            (&payload["event_timestamp"], &payload["initiating_entity"]),
            (&json!(1_790_000_000), &json!("policy"))
        );
        assert!(security_event(&event("user.created"), "").unwrap().is_none());
    }
}
