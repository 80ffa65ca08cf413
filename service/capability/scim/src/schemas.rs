//! `/api/v1/tenants/{tenant}/scim-schemas`: a tenant declares extensions of users and groups.

use std::sync::Arc;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::scim::schema::{Column, Entity, Model};
use entity::scim::states::ResourceType;
use platform::rules::{Rule, room};
use platform::sql::Step;
use platform::{Target, Tx, View, Work as _, ids};
use policy_core::Permission;
use scim_core::schema::{Attribute, Schema, check_custom};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, IfMatch, Input, NoContent, Page, Problem, Routes, Shared,
    Tagged, TenantCaller,
};

use crate::state::{SCHEMAS_MAX, States};

const LIST: &str = "/api/v1/tenants/{tenant}/scim-schemas";
const ONE: &str = "/api/v1/tenants/{tenant}/scim-schemas/{schema_id}";

pub(crate) fn routes() -> Routes {
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

fn read(input: &ScimSchemaInput) -> Result<(Schema, Value), Problem> {
    let schema = input.schema(&mut FieldErrors::default());
    let schema = schema.ok_or_else(|| Problem::internal("a schema passed the check and isn't one"))?;
    let definition = serde_json::to_value(&schema).map_err(Problem::internal)?;
    Ok((schema, definition))
}

async fn create_schema(
    caller: TenantCaller,
    Body(input): Body<ScimSchemaInput>,
    states: Shared<Arc<States>>,
) -> Result<Created<ScimSchema>, Problem> {
    let (schema, definition) = read(&input)?;
    let row = caller
        .write(async |tx| {
            room(tx, Rule::ScimSchemas, tx.tenant(), tx.select::<Entity>(), SCHEMAS_MAX).await?;
            let row = Model {
                tenant_id: tx.tenant(),
                id: ids::new(),
                urn_key: schema.urn.to_lowercase(),
                resource_type: input.resource_type,
                definition,
                version: 1,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            let taken = |error: platform::DbError| {
                if error.conflicts_on("urn") {
                    Problem::detailed(Code::Conflict, "A schema with this URN is already declared.")
                } else {
                    error.into()
                }
            };
            tx.insert(row.clone()).await.map_err(taken)?;
            tx.record(
                "scim_schema.create",
                Target::new("scim_schema", row.id).with(json!({"urn": schema.urn})),
            );
            Ok::<_, Problem>(row)
        })
        .await?;
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

async fn locked(tx: &Tx, id: Uuid) -> Result<Model, Problem> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or_else(|| Problem::new(Code::NotFound))
}

async fn replace_schema(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<ScimSchemaInput>,
    states: Shared<Arc<States>>,
) -> Result<Tagged<ScimSchema>, Problem> {
    let id = ids.id("schema_id")?;
    let (schema, definition) = read(&input)?;
    let row = caller
        .write(async |tx| {
            let before = locked(tx, id).await?;
            seen.require(before.version)?;
            let old: Schema = serde_json::from_value(before.definition.clone()).map_err(Problem::internal)?;
            if !old.urn.eq_ignore_ascii_case(&schema.urn) || before.resource_type != input.resource_type {
                return Err(Problem::invalid("/id", "can't be changed, nor can the resource type"));
            }
            if let Some(name) = lost(&old.attributes, &schema.attributes) {
                let detail =
                    format!("`{name}` can't be removed or change its type: resources may have values of it");
                return Err(Problem::invalid("/attributes", &detail));
            }
            let row = Model { definition, version: before.version + 1, updated_at: tx.now(), ..before };
            tx.update(row.clone()).await?;
            tx.record("scim_schema.update", Target::new("scim_schema", row.id));
            Ok(row)
        })
        .await?;
    states.forget();
    Ok(Tagged(row.version, row.into()))
}

/// An attribute whose values could no longer be read.
fn lost<'a>(old: &'a [Attribute], new: &[Attribute]) -> Option<&'a str> {
    old.iter().find_map(|before| {
        let after = new.iter().find(|after| after.name == before.name);
        let same = |after: &&Attribute| {
            (after.kind, after.multi, after.case_exact) == (before.kind, before.multi, before.case_exact)
        };
        match after.filter(same) {
            None => Some(before.name.as_str()),
            Some(after) => lost(&before.sub, &after.sub),
        }
    })
}

async fn delete_schema(
    caller: TenantCaller,
    ids: Ids,
    states: Shared<Arc<States>>,
) -> Result<NoContent, Problem> {
    let id = ids.id("schema_id")?;
    caller
        .write(async |tx| {
            let row = locked(tx, id).await?;
            if in_use(tx, &row).await? {
                return Err(Problem::detailed(Code::Conflict, "Resources still have values of this schema."));
            }
            tx.purge(tx.remove::<Entity>().filter(Column::Id.eq(id))).await?;
            tx.record("scim_schema.delete", Target::new("scim_schema", id));
            Ok(())
        })
        .await?;
    states.forget();
    Ok(NoContent)
}

async fn in_use(view: &View, row: &Model) -> Result<bool, Problem> {
    let urn = row.definition.get("id").and_then(Value::as_str).unwrap_or_default();
    let table = match row.resource_type {
        ResourceType::User => "directory_user",
        ResourceType::Group => "directory_group",
    };
    let test = view.sql().json_present("r.resource", &[Step::Key(urn)]);
    let sql = format!("SELECT 1 AS found FROM {table} r WHERE r.tenant_id = $1 AND {test} LIMIT 1");
    Ok(!view.query(&sql, Vec::new()).await?.is_empty())
}
