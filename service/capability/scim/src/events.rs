//! Events of the directory as security event tokens (RFC 9967, RFC 8417): what happened, as a signed JWT. The `notice`
//! form: names of attributes, never their values.

use serde_json::{Map, Value, json};

/// The events that are told, as `ServiceProviderConfig` says.
pub(crate) const EVENT_URIS: [&str; 6] = [
    "urn:ietf:params:scim:event:prov:create:notice",
    "urn:ietf:params:scim:event:prov:patch:notice",
    "urn:ietf:params:scim:event:prov:put:notice",
    "urn:ietf:params:scim:event:prov:delete",
    "urn:ietf:params:scim:event:prov:activate",
    "urn:ietf:params:scim:event:prov:deactivate",
];

/// What a security event token says about an event; `None` for events that are none of SCIM's. `type` and `data` are the
/// outbox'.
pub fn security_event(kind: &str, data: &Value) -> Option<Map<String, Value>> {
    let (noun, verb) = kind.split_once('.')?;
    let (endpoint, id) = match noun {
        "user" => ("/Users", data.get("userId")?),
        "group" => ("/Groups", data.get("groupId")?),
        _ => return None,
    };
    let uri = match verb {
        "created" => "urn:ietf:params:scim:event:prov:create:notice",
        "updated" => "urn:ietf:params:scim:event:prov:patch:notice",
        "deleted" => "urn:ietf:params:scim:event:prov:delete",
        "reactivated" => "urn:ietf:params:scim:event:prov:activate",
        "deactivated" => "urn:ietf:params:scim:event:prov:deactivate",
        _ => return None,
    };
    let id = id.as_str()?;
    let mut subject = json!({"format": "scim", "uri": format!("{endpoint}/{id}"), "id": id});
    if let (Some(external), Value::Object(subject)) =
        (data.get("externalId").filter(|value| value.is_string()), &mut subject)
    {
        subject.insert("externalId".to_owned(), external.clone());
    }
    let payload = match data.get("attributes") {
        Some(names) if uri.ends_with(":notice") => json!({"attributes": names}),
        _ => json!({}),
    };
    Some(Map::from_iter([("sub_id".to_owned(), subject), ("events".to_owned(), json!({uri: payload}))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_the_directory_is_a_security_event() {
        let data = json!({"userId": "u1", "externalId": "e1", "userName": "ann", "attributes": ["title"]});
        let event = security_event("user.updated", &data).unwrap();
        assert_eq!(
            event["sub_id"],
            json!({"format": "scim", "uri": "/Users/u1", "externalId": "e1", "id": "u1"})
        );
        assert_eq!(
            event["events"],
            json!({"urn:ietf:params:scim:event:prov:patch:notice": {"attributes": ["title"]}})
        );
        assert!(!Value::Object(event).to_string().contains("ann"), "no value of an attribute");
        for uri in EVENT_URIS.iter().filter(|uri| !uri.ends_with("put:notice")) {
            let all =
                ["user.created", "user.updated", "user.deleted", "user.reactivated", "user.deactivated"];
            let told =
                all.iter().any(|kind| security_event(kind, &data).unwrap()["events"].get(uri).is_some());
            assert!(told, "{uri} is promised");
        }
        assert!(security_event("tenant.created", &data).is_none());
    }
}
