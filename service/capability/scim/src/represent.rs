//! Rows become resources.

use chrono::SecondsFormat;
use entity::directory::{group, user};
use platform::Timestamp;
use scim_core::resource::envelope;
use scim_core::schema::{GROUPS, ResourceType, USERS};
use serde_json::{Map, Value, json};
use uuid::Uuid;

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A weak entity tag: two representations of one version may differ by projection.
pub(crate) fn etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

pub(crate) fn location(base: &str, kind: &ResourceType, id: Uuid) -> String {
    format!("{base}{}/{id}", kind.endpoint)
}

fn meta(
    base: &str,
    kind: &ResourceType,
    id: Uuid,
    created: Timestamp,
    modified: Timestamp,
    version: i64,
) -> Value {
    json!({
        "resourceType": kind.name, "created": time(created), "lastModified": time(modified),
        "location": location(base, kind, id), "version": etag(version),
    })
}

fn object(resource: Value) -> Map<String, Value> {
    match resource {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A user, with the groups that hold them.
pub(crate) fn user(base: &str, row: user::Model, groups: Option<&Vec<(Uuid, String)>>) -> Map<String, Value> {
    let meta = meta(base, &USERS, row.id, row.created_at, row.updated_at, row.version);
    let mut resource = object(row.resource);
    resource.insert("active".to_owned(), row.active.into());
    if let Some(groups) = groups {
        let list = groups.iter().map(|(id, name)| {
            json!({"value": id, "$ref": location(base, &GROUPS, *id), "display": name, "type": "direct"})
        });
        resource.insert("groups".to_owned(), list.collect());
    }
    envelope(&USERS, &row.id.to_string(), resource, meta)
}

/// A group, with its members if they were read.
pub(crate) fn group(
    base: &str,
    row: group::Model,
    members: Option<&Vec<(Uuid, Option<String>)>>,
) -> Map<String, Value> {
    let meta = meta(base, &GROUPS, row.id, row.created_at, row.updated_at, row.version);
    let mut resource = object(row.resource);
    if let Some(members) = members {
        let list = members.iter().map(|(id, name)| {
            let mut member = json!({"value": id, "$ref": location(base, &USERS, *id), "type": "User"});
            if let Some(name) = name {
                member
                    .as_object_mut()
                    .map(|member| member.insert("display".to_owned(), name.as_str().into()));
            }
            member
        });
        resource.insert("members".to_owned(), list.collect());
    }
    envelope(&GROUPS, &row.id.to_string(), resource, meta)
}
