//! What the store keeps beside a user's SCIM attributes, so that it can be found. Pure.

use entity::directory::{group, user};
use identity_core::{Forbidden, fold};
use serde_json::{Map, Value, json};
use web::CredentialKind;

/// Columns made of a user's attributes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserColumns {
    pub(crate) user_name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) active: bool,
    /// (type, value), folded.
    pub(crate) emails: Vec<(Option<String>, String)>,
}

fn text(resource: &Map<String, Value>, name: &str) -> Option<String> {
    resource.get(name).and_then(Value::as_str).map(ToOwned::to_owned)
}

impl UserColumns {
    pub(crate) fn of(resource: &Map<String, Value>) -> Self {
        let list = resource.get("emails").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let value = |item: &Value| item.get("value").and_then(Value::as_str).map(ToOwned::to_owned);
        let primary = list.iter().find(|item| item.get("primary") == Some(&Value::Bool(true)));
        let email = primary.or_else(|| list.first()).and_then(value);
        let kind = |item: &Value| item.get("type").and_then(Value::as_str).map(fold);
        let emails = list.iter().filter_map(|item| Some((kind(item), fold(&value(item)?)))).collect();
        Self {
            user_name: text(resource, "userName").unwrap_or_default(),
            external_id: text(resource, "externalId"),
            display_name: display_name(resource),
            email,
            // Absent means active: RFC 7643 leaves it to the server, and a person just made may sign in.
            active: resource.get("active").and_then(Value::as_bool).unwrap_or(true),
            emails,
        }
    }

    /// The first name or address that holds what nobody can see, and where it stands.
    pub(crate) fn forbidden(resource: &Map<String, Value>) -> Option<(String, Forbidden)> {
        let name =
            resource.get("userName").and_then(Value::as_str).map(|text| ("/userName".to_owned(), text));
        let emails = resource.get("emails").and_then(Value::as_array).into_iter().flatten().enumerate();
        let emails = emails
            .filter_map(|(at, item)| Some((format!("/emails/{at}/value"), item.get("value")?.as_str()?)));
        name.into_iter().chain(emails).find_map(|(at, text)| Some((at, identity_core::check(text).err()?)))
    }
}

/// Where mail to a user goes: the e-mail that counts as theirs, else a user name that is one.
pub(crate) fn mailbox(email: Option<String>, user_name: String) -> Option<String> {
    email.or(Some(user_name).filter(|name| identity_core::is_email(name)))
}

/// What a directory is called as an actor.
pub(crate) const DIRECTORY: &str = CredentialKind::ScimToken.name();

/// What of a user is kept when it changes, so that it can be put back.
pub(crate) fn user_image(row: &user::Model) -> Value {
    json!({
        "resource": row.resource, "active": row.active, "role": row.role, "roleSource": row.role_source,
        "source": row.source, "createdAt": row.created_at, "addressProof": row.address_proof, "roleUnder": row.role_under,
    })
}

/// What of a group is kept.
pub(crate) fn group_image(row: &group::Model) -> Value {
    json!({"resource": row.resource, "createdAt": row.created_at})
}

/// Names of top-level attributes that differ.
pub(crate) fn changed_names(before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Vec<String> {
    let empty = Map::new();
    let before = before.unwrap_or(&empty);
    let new = after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, _)| name);
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    new.chain(gone).cloned().collect()
}

/// What a person is called on pages and in mails.
pub fn name_of(user: &entity::directory::user::Model) -> &str {
    user.display_name.as_deref().unwrap_or(&user.user_name)
}

fn display_name(resource: &Map<String, Value>) -> Option<String> {
    let name = resource.get("name").and_then(Value::as_object);
    let part = |part: &str| name.and_then(|name| text(name, part));
    let parts: Vec<String> = [part("givenName"), part("familyName")].into_iter().flatten().collect();
    text(resource, "displayName")
        .or_else(|| part("formatted"))
        .or_else(|| (!parts.is_empty()).then(|| parts.join(" ")))
}

#[cfg(test)]
mod tests;
