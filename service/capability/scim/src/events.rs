//! Events of the directory as security event tokens (RFC 9967, RFC 8417): what happened, as a signed JWT. The `notice`
//! form: names of attributes, never their values.

use directory::{
    GroupCreated, GroupDeleted, GroupFacts, GroupUpdated, UserCreated, UserDeactivated, UserDeleted,
    UserFacts, UserReactivated, UserUpdated,
};
use entity::platform::outbox_event;
use platform::event::{Emitted as _, Unreadable};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const CREATED: &str = "urn:ietf:params:scim:event:prov:create:notice";
const UPDATED: &str = "urn:ietf:params:scim:event:prov:patch:notice";
const DELETED: &str = "urn:ietf:params:scim:event:prov:delete";
const ACTIVATED: &str = "urn:ietf:params:scim:event:prov:activate";
const DEACTIVATED: &str = "urn:ietf:params:scim:event:prov:deactivate";

/// The events that are told, as `ServiceProviderConfig` says.
pub(crate) const EVENT_URIS: [&str; 6] =
    [CREATED, UPDATED, "urn:ietf:params:scim:event:prov:put:notice", DELETED, ACTIVATED, DEACTIVATED];

/// What a security event token says about an event; `None` for events that are none of SCIM's.
///
/// # Errors
/// [`Unreadable`] for one that only a newer version can read.
pub fn security_event(event: &outbox_event::Model) -> Result<Option<Map<String, Value>>, Unreadable> {
    Ok(if let Some(UserCreated(facts)) = event.read()? {
        Some(of_user(CREATED, facts))
    } else if let Some(UserUpdated(facts)) = event.read()? {
        Some(of_user(UPDATED, facts))
    } else if let Some(UserDeleted(facts)) = event.read()? {
        Some(of_user(DELETED, facts))
    } else if let Some(UserReactivated(facts)) = event.read()? {
        Some(of_user(ACTIVATED, facts))
    } else if let Some(UserDeactivated(facts)) = event.read()? {
        Some(of_user(DEACTIVATED, facts))
    } else if let Some(GroupCreated(facts)) = event.read()? {
        Some(of_group(CREATED, facts))
    } else if let Some(GroupUpdated(facts)) = event.read()? {
        Some(of_group(UPDATED, facts))
    } else if let Some(GroupDeleted(facts)) = event.read()? {
        Some(of_group(DELETED, facts))
    } else {
        None
    })
}

fn of_user(uri: &str, facts: UserFacts) -> Map<String, Value> {
    token(uri, ("/Users", facts.user_id), facts.external_id, facts.attributes)
}

fn of_group(uri: &str, facts: GroupFacts) -> Map<String, Value> {
    token(uri, ("/Groups", facts.group_id), facts.external_id, facts.attributes)
}

fn token(
    uri: &str,
    (endpoint, id): (&str, Uuid),
    external_id: Option<String>,
    attributes: Option<Vec<String>>,
) -> Map<String, Value> {
    let mut subject = json!({"format": "scim", "uri": format!("{endpoint}/{id}"), "id": id});
    if let (Some(external), Value::Object(subject)) = (external_id, &mut subject) {
        subject.insert("externalId".to_owned(), external.into());
    }
    let payload = match attributes {
        Some(names) if uri.ends_with(":notice") => json!({"attributes": names}),
        _ => json!({}),
    };
    Map::from_iter([("sub_id".to_owned(), subject), ("events".to_owned(), json!({uri: payload}))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str) -> outbox_event::Model {
        let id = Uuid::nil();
        let data = json!({
            "userId": id, "organizationId": id, "externalId": "e1", "userName": "ann", "active": true, "attributes": ["title"],
        });
        outbox_event::Model {
            id,
            tenant_id: None,
            r#type: kind.to_owned(),
            data,
            occurred_at: platform::Timestamp::UNIX_EPOCH,
            request_id: None,
            dispatched_at: None,
            sequence: None,
        }
    }

    #[test]
    fn an_event_of_the_directory_is_a_security_event() {
        let token = security_event(&event("user.updated")).unwrap().unwrap();
        let id = Uuid::nil();
        assert_eq!(
            token["sub_id"],
            json!({"format": "scim", "uri": format!("/Users/{id}"), "externalId": "e1", "id": id})
        );
        assert_eq!(
            token["events"],
            json!({"urn:ietf:params:scim:event:prov:patch:notice": {"attributes": ["title"]}})
        );
        assert!(!Value::Object(token).to_string().contains("ann"), "no value of an attribute");
        for uri in EVENT_URIS.iter().filter(|uri| !uri.ends_with("put:notice")) {
            let all =
                ["user.created", "user.updated", "user.deleted", "user.reactivated", "user.deactivated"];
            let told = all
                .iter()
                .any(|kind| security_event(&event(kind)).unwrap().unwrap()["events"].get(uri).is_some());
            assert!(told, "{uri} is promised");
        }
        assert!(security_event(&event("tenant.created")).unwrap().is_none());
    }
}
