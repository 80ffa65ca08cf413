//! What was kept of a user or group before a change.

use entity::ids::OrganizationId;
use platform::{Timestamp, Tx};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::Error;
use crate::store::changes;

pub(super) async fn image(tx: &Tx, organization: OrganizationId, change: Uuid) -> Result<Value, Error> {
    let change = changes::get(tx, organization, change).await?;
    change
        .and_then(|change| change.before)
        .ok_or_else(|| Error::Internal("a recorded change has no image".to_owned()))
}

pub(super) fn object(image: &Value) -> Map<String, Value> {
    image.get("resource").and_then(Value::as_object).cloned().unwrap_or_default()
}

pub(super) fn unreadable(name: &str) -> Error {
    Error::Internal(format!("a recorded change has no {name} that there is"))
}

pub(super) fn created_at(image: &Value) -> Option<Timestamp> {
    image.get("createdAt")?.as_str()?.parse().ok()
}
