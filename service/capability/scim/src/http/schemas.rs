//! `/api/v1/tenants/{tenant}/scim-schemas`: a tenant declares extensions of users and groups.

use std::sync::Arc;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::scim::schema::{Column, Entity, Model};
use entity::scim::states::ResourceType;
use policy_core::Permission;
use scim_core::schema::{Attribute, Schema, check_custom};
use sea_orm::{QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, IfMatch, Input, NoContent, Page, Problem, Routes, Shared,
    Tagged, TenantCaller,
};

use crate::schemas::{self, Declared};
use crate::state::{SCHEMAS_MAX, States};

const LIST: &str = "/api/v1/tenants/{tenant}/scim-schemas";
const ONE: &str = "/api/v1/tenants/{tenant}/scim-schemas/{schema_id}";

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::DirectoryRead), Access::Key(Permission::DirectoryWrite));
    Routes::new()
        .add(
            Method::POST,
            LIST,
            write,
            "create_scim_schema: Declare a SCIM schema extension for users or groups.",
            create_schema,
        )
        .add(
            Method::GET,
            LIST,
            read,
            "list_scim_schemas: List the declared SCIM schema extensions.",
            list_schemas,
        )
        .add(
            Method::PUT,
            ONE,
            write,
            "replace_scim_schema: Add attributes to a SCIM schema extension, or improve their descriptions.",
            replace_schema,
        )
        .add(
            Method::DELETE,
            ONE,
            write,
            "delete_scim_schema: Delete a SCIM schema extension that no resource uses.",
            delete_schema,
        )
}

/// A schema extension (RFC 7643, section 7).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScimSchemaInput {
    /// The schema's URN.
    id: String,
    #[schema(max_length = 200)]
    name: String,
    #[serde(default)]
    description: String,
    /// The resource type that it extends: `User` or `Group`.
    #[schema(value_type = String)]
    resource_type: ResourceType,
    /// The attributes, in the form that `/Schemas` returns.
    #[schema(value_type = Vec<Object>)]
    attributes: Vec<Value>,
}

impl ScimSchemaInput {
    fn schema(&self, errors: &mut FieldErrors) -> Option<Schema> {
        let mut attributes = Vec::new();
        for (at, attribute) in self.attributes.iter().enumerate() {
            match serde_json::from_value::<Attribute>(attribute.clone()) {
                Ok(attribute) => attributes.push(attribute),
                Err(error) => errors.require(
                    false,
                    &format!("/attributes/{at}"),
                    &format!("is not a valid attribute: {error}"),
                ),
            }
        }
        let schema = Schema {
            urn: self.id.clone(),
            name: self.name.clone(),
            text: self.description.clone(),
            attributes,
        };
        (schema.attributes.len() == self.attributes.len()).then_some(schema)
    }
}

impl Input for ScimSchemaInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/name", &self.name, 200);
        if let Some(schema) = self.schema(errors) {
            for (pointer, detail) in check_custom(&schema) {
                errors.require(false, &pointer, &detail);
            }
        }
    }
}

/// A declared schema extension.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimSchema {
    /// The id of the declaration, for this API.
    schema_id: Uuid,
    #[schema(value_type = String)]
    resource_type: ResourceType,
    /// The schema as `/Schemas` returns it.
    #[schema(value_type = Object)]
    schema: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Model> for ScimSchema {
    fn from(row: Model) -> Self {
        Self {
            schema_id: row.id,
            resource_type: row.resource_type,
            schema: row.definition,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn read(input: &ScimSchemaInput) -> Result<Declared, Problem> {
    let schema = input.schema(&mut FieldErrors::default());
    let schema = schema.ok_or_else(|| Problem::internal("a schema passed the check and isn't one"))?;
    let definition = serde_json::to_value(&schema).map_err(Problem::internal)?;
    Ok(Declared { schema, definition, resource_type: input.resource_type })
}

async fn create_schema(
    caller: TenantCaller,
    Body(input): Body<ScimSchemaInput>,
    states: Shared<Arc<States>>,
) -> Result<Created<ScimSchema>, Problem> {
    let declared = read(&input)?;
    let row = caller.write(async |tx| schemas::insert(tx, declared).await).await?;
    states.forget();
    Ok(Created(format!("/api/v1/tenants/{}/scim-schemas/{}", row.tenant_id, row.id), row.into()))
}

async fn list_schemas(caller: TenantCaller) -> Result<Page<ScimSchema>, Problem> {
    let rows = caller
        .read(async |view| {
            view.all(view.select::<Entity>().order_by_asc(Column::Id).limit(SCHEMAS_MAX)).await
        })
        .await?;
    Ok(Page { items: rows.into_iter().map(Into::into).collect(), next_cursor: None })
}

async fn replace_schema(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<ScimSchemaInput>,
    states: Shared<Arc<States>>,
) -> Result<Tagged<ScimSchema>, Problem> {
    let id = ids.id("schema_id")?;
    let declared = read(&input)?;
    let row = caller.write(async |tx| schemas::replace(tx, id, &seen, declared).await).await?;
    states.forget();
    Ok(Tagged(row.version, row.into()))
}

async fn delete_schema(
    caller: TenantCaller,
    ids: Ids,
    states: Shared<Arc<States>>,
) -> Result<NoContent, Problem> {
    let id = ids.id("schema_id")?;
    caller.write(async |tx| schemas::delete(tx, id).await).await?;
    states.forget();
    Ok(NoContent)
}
