//! `/api/v1/quota-resources`: what modules count, and how much of it each plan gives.

use std::collections::BTreeMap;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::quota::resource::{Column, Entity, Model};
use platform::{PlatformView, Target, Work as _};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page,
    PlatformCaller, Problem, Query, Routes, Tagged,
};

use crate::codes;
use crate::ops::OWN_RESOURCES;

const LIST: &str = "/api/v1/quota-resources";
const ONE: &str = "/api/v1/quota-resources/{key}";
const LIMIT_MAX: i64 = 1_000_000_000;

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::CatalogueRead), Access::Key(Permission::CatalogueWrite));
    Routes::new()
        .add(
            Method::POST,
            LIST,
            write,
            "create_quota_resource: Declare a quota resource that a module counts.",
            create,
        )
        .add(
            Method::GET,
            LIST,
            read,
            "list_quota_resources: List the quota resources that modules count.",
            list,
        )
        .add(Method::GET, ONE, read, "get_quota_resource: Get a quota resource.", get)
        .add(
            Method::PUT,
            ONE,
            write,
            "replace_quota_resource: Replace a quota resource; tenants that used it retain their limits.",
            replace,
        )
        .add(Method::DELETE, ONE, write, "delete_quota_resource: Delete a quota resource.", delete)
}

/// A quota resource to declare.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResourceInput {
    /// The resource's key; required to create a resource, and ignored when one is replaced.
    key: Option<String>,
    /// The resource's display name.
    #[schema(max_length = 200)]
    name: String,
    /// The limit by the plan's key. Null, or a plan that is not listed: unlimited.
    #[serde(default)]
    limits: BTreeMap<String, Option<i64>>,
}

impl Input for ResourceInput {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(key) = &self.key {
            errors.require(
                web::is_slug(key),
                "/key",
                "must be at most 63 lower-case letters, digits and hyphens",
            );
            errors.require(
                !OWN_RESOURCES.contains(&key.as_str()),
                "/key",
                "is reserved: the service counts it itself",
            );
        }
        errors.text("/name", &self.name, 200);
        errors.require(self.limits.len() <= 100, "/limits", "at most 100 plans");
        for (plan, limit) in &self.limits {
            let fits = web::is_slug(plan) && limit.is_none_or(|limit| (0..=LIMIT_MAX).contains(&limit));
            errors.require(
                fits,
                &format!("/limits/{plan}"),
                "must be a plan's key, with a limit from 0 to 1,000,000,000 or null",
            );
        }
    }
}

/// A quota resource: something that a module counts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    key: String,
    /// The resource's display name.
    name: String,
    /// The limit by the plan's key. Null, or a plan that is not listed: unlimited.
    #[schema(value_type = Object)]
    limits: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Model> for Resource {
    fn from(row: Model) -> Self {
        Self {
            key: row.key,
            name: row.name,
            limits: row.limits,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

async fn create(
    caller: PlatformCaller,
    Body(input): Body<ResourceInput>,
) -> Result<Created<Resource>, Problem> {
    let key = input.key.ok_or_else(|| Problem::invalid("/key", "is required"))?;
    let row = caller
        .write(async |tx| {
            let row = Model {
                key,
                name: input.name,
                limits: json!(input.limits),
                version: 1,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            tx.insert(row.clone()).await.map_err(|error| match error {
                platform::DbError::Conflict(_) => Problem::new(codes::QUOTA_RESOURCE_EXISTS),
                other => other.into(),
            })?;
            tx.record("quota_resource.create", Target::new("quota_resource", &row.key));
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Created(format!("{LIST}/{}", row.key), row.into()))
}

async fn list(caller: PlatformCaller, Query(query): Query<ListQuery>) -> Result<Page<Resource>, Problem> {
    caller.page::<Entity, _>(&query, Column::Key, Resource::from).await
}

async fn find(view: &PlatformView, key: &str) -> Result<Model, Problem> {
    let found = view.one(view.platform::<Entity>().filter(Column::Key.eq(key))).await?;
    found.ok_or_else(|| Problem::new(Code::NOT_FOUND))
}

async fn get(caller: PlatformCaller, ids: Ids) -> Result<Tagged<Resource>, Problem> {
    let key = ids.key("key")?;
    let row = caller.read(async |view| find(view, key).await).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn replace(
    caller: PlatformCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<ResourceInput>,
) -> Result<Tagged<Resource>, Problem> {
    let key = ids.key("key")?;
    let row = caller
        .write(async |tx| {
            let found = tx.lock(tx.platform::<Entity>().filter(Column::Key.eq(key))).await?;
            let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            seen.require(row.version)?;
            let before = row.clone();
            let (name, limits) = (input.name, json!(input.limits));
            let row = Model { name, limits, version: row.version + 1, updated_at: tx.now(), ..row };
            tx.update(row.clone()).await?;
            tx.record("quota_resource.update", Target::new("quota_resource", key).changed(&before, &row));
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let key = ids.key("key")?;
    caller
        .write(async |tx| {
            let row = find(tx, key).await?;
            tx.delete(row).await?;
            tx.record("quota_resource.delete", Target::new("quota_resource", key));
            Ok(NoContent)
        })
        .await
}
