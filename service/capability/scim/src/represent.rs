//! Rows become resources.

use chrono::SecondsFormat;
use directory::{Member, Membership};
use entity::directory::{group, user};
use platform::Timestamp;
use scim_core::resource::envelope;
use scim_core::schema::ResourceType;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::state::Scope;

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
pub(crate) fn user(scope: &Scope, row: user::Model, groups: Option<&[Membership]>) -> Map<String, Value> {
    let (base, kind) = (&scope.base, &scope.registry.users);
    let meta = meta(base, kind, row.id, row.created_at, row.updated_at, row.version);
    let mut resource = object(row.resource);
    if resource.contains_key("active") {
        resource.insert("active".to_owned(), row.active.into());
    }
    if let Some(groups) = groups {
        let list = groups.iter().map(|one| {
            json!({
                "value": one.group, "$ref": location(base, &scope.registry.groups, one.group),
                "display": one.display, "type": if one.direct { "direct" } else { "indirect" },
            })
        });
        resource.insert("groups".to_owned(), list.collect());
    }
    envelope(kind, &row.id.to_string(), resource, meta)
}

/// A member of a group.
pub(crate) fn member(scope: &Scope, member: &Member) -> Value {
    let (kind, name) = match member.is_group {
        true => (&scope.registry.groups, "Group"),
        false => (&scope.registry.users, "User"),
    };
    let mut shown = Map::new();
    shown.insert("value".to_owned(), member.id.to_string().into());
    shown.insert("$ref".to_owned(), location(&scope.base, kind, member.id).into());
    shown.insert("type".to_owned(), name.into());
    if let Some(display) = &member.display {
        shown.insert("display".to_owned(), display.as_str().into());
    }
    Value::Object(shown)
}

/// A group, with its members if they were read.
pub(crate) fn group(scope: &Scope, row: group::Model, members: Option<&[Member]>) -> Map<String, Value> {
    let (base, kind) = (&scope.base, &scope.registry.groups);
    let meta = meta(base, kind, row.id, row.created_at, row.updated_at, row.version);
    let mut resource = object(row.resource);
    if let Some(members) = members {
        resource.insert("members".to_owned(), members.iter().map(|one| member(scope, one)).collect());
    }
    envelope(kind, &row.id.to_string(), resource, meta)
}
