//! Queries over what uses a schema.

use entity::scim::schema::Model;
use entity::scim::states::ResourceType;
use platform::sql::Step;
use platform::{DbError, Statement, View};
use serde_json::Value;

/// Whether a user or group has attributes of this schema.
pub(crate) async fn in_use(view: &View, row: &Model) -> Result<bool, DbError> {
    let urn = row.definition.get("id").and_then(Value::as_str).unwrap_or_default();
    let table = match row.resource_type {
        ResourceType::User => "directory_user",
        ResourceType::Group => "directory_group",
    };
    let test = view.sql().json_present("r.resource", &[Step::Key(urn)]);
    let find = Statement::built(format!(
        "SELECT 1 AS found FROM {table} r WHERE r.tenant_id = $1 AND {test} LIMIT 1"
    ))?;
    Ok(!view.query(&find, Vec::new()).await?.is_empty())
}
