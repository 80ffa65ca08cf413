//! `/api/v1/plans`

use std::collections::BTreeMap;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::tenancy::plan::{Column, Entity, Model};
use platform::{Target, Work as _};
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

/// Bytes of a plan's entitlements.
const ENTITLEMENTS_BYTES_MAX: usize = 16 * 1024;
const LIST: &str = "/api/v1/plans";
const ONE: &str = "/api/v1/plans/{key}";
const READ: Access = Access::Key(Permission::CatalogueRead);
const WRITE: Access = Access::Key(Permission::CatalogueWrite);

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(Method::POST, LIST, WRITE, "create_plan: Create a plan.", create_plan)
        .add(Method::GET, LIST, READ, "list_plans: List plans.", list_plans)
        .add(Method::GET, ONE, READ, "get_plan: Get a plan.", get_plan)
        .add(
            Method::PUT,
            ONE,
            WRITE,
            "replace_plan: Replace a plan; tenants that already have it retain their limits.",
            replace_plan,
        )
        .add(Method::DELETE, ONE, WRITE, "delete_plan: Delete a plan that no tenant has.", delete_plan)
}

/// The definition of a plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlanInput {
    /// The plan's key; required to create a plan, and ignored when one is replaced.
    key: Option<String>,
    /// The plan's display name.
    #[schema(max_length = 200)]
    name: String,
    /// The limit of each resource; null: unlimited.
    quotas: BTreeMap<String, Option<i64>>,
    /// The factor by which the plan multiplies the rate limits.
    rate_multiplier: i64,
    /// The soft limit of each resource: exceeding it sends an event but is allowed.
    #[serde(default)]
    soft_quotas: BTreeMap<String, Option<i64>>,
    /// Features that modules can ask for by name, with any JSON value: `{"kombiStack": "read-only"}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    entitlements: BTreeMap<String, Value>,
}

impl Input for PlanInput {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(key) = &self.key {
            errors.require(
                web::is_slug(key),
                "/key",
                "must be at most 63 lower-case letters, digits and hyphens",
            );
        }
        errors.text("/name", &self.name, 200);
        for (pointer, limits) in [("/quotas", &self.quotas), ("/softQuotas", &self.soft_quotas)] {
            errors.require(limits.len() <= 100, pointer, "at most 100 resources");
            for (resource, limit) in limits {
                let fits =
                    web::is_slug(resource) && limit.is_none_or(|limit| (0..=1_000_000_000).contains(&limit));
                errors.require(
                    fits,
                    pointer,
                    "must have resource names with limits from 0 to 1,000,000,000 or null",
                );
            }
        }
        let size = self.entitlements.iter().map(|(key, value)| key.len() + value.to_string().len());
        errors.require(size.sum::<usize>() <= ENTITLEMENTS_BYTES_MAX, "/entitlements", "at most 16 KB");
        errors.require(
            (1..=1000).contains(&self.rate_multiplier),
            "/rateMultiplier",
            "must be from 1 to 1000",
        );
    }
}

/// A plan that tenants can have.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The plan's key.
    pub key: String,
    /// The plan's display name.
    pub name: String,
    /// The limit of each resource; null: unlimited.
    #[schema(value_type = Object)]
    pub quotas: Value,
    /// The factor by which the plan multiplies the rate limits.
    pub rate_multiplier: i64,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// The soft limit of each resource: exceeding it sends an event but is allowed.
    #[schema(value_type = Object)]
    pub soft_quotas: Value,
    /// Features that modules can ask for by name.
    #[schema(value_type = Object)]
    pub entitlements: Value,
}

impl From<Model> for Plan {
    fn from(row: Model) -> Self {
        Self {
            key: row.key,
            name: row.name,
            quotas: row.quotas,
            rate_multiplier: row.rate_multiplier,
            updated_at: row.updated_at,
            soft_quotas: row.soft_quotas,
            entitlements: row.entitlements,
        }
    }
}

async fn create_plan(caller: PlatformCaller, Body(input): Body<PlanInput>) -> Result<Created<Plan>, Problem> {
    let key = input.key.ok_or_else(|| Problem::invalid("/key", "is required"))?;
    let row = caller
        .write(async |tx| {
            let row = Model {
                key,
                name: input.name,
                quotas: json!(input.quotas),
                rate_multiplier: input.rate_multiplier,
                version: 1,
                created_at: tx.now(),
                updated_at: tx.now(),
                soft_quotas: json!(input.soft_quotas),
                entitlements: json!(input.entitlements),
            };
            tx.insert(row.clone()).await.map_err(|error| match error {
                platform::DbError::Conflict(_) => Problem::new(codes::PLAN_EXISTS),
                other => other.into(),
            })?;
            tx.record("plan.create", Target::new("plan", &row.key));
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Created(format!("{LIST}/{}", row.key), row.into()))
}

async fn list_plans(caller: PlatformCaller, Query(query): Query<ListQuery>) -> Result<Page<Plan>, Problem> {
    caller.page::<Entity, _>(&query, Column::Key, Plan::from).await
}

async fn get_plan(caller: PlatformCaller, ids: Ids) -> Result<Tagged<Plan>, Problem> {
    let key = ids.key("key")?;
    let found = caller
        .read(async |view| view.one(view.platform::<Entity>().filter(Column::Key.eq(key))).await)
        .await?;
    let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(Tagged(row.version, row.into()))
}

async fn replace_plan(
    caller: PlatformCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<PlanInput>,
) -> Result<Tagged<Plan>, Problem> {
    let key = ids.key("key")?;
    let row = caller
        .write(async |tx| {
            let found = tx.lock(tx.platform::<Entity>().filter(Column::Key.eq(key))).await?;
            let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            seen.require(row.version)?;
            let before = row.clone();
            let row = Model {
                name: input.name,
                quotas: json!(input.quotas),
                rate_multiplier: input.rate_multiplier,
                version: row.version + 1,
                updated_at: tx.now(),
                soft_quotas: json!(input.soft_quotas),
                entitlements: json!(input.entitlements),
                ..row
            };
            tx.update(row.clone()).await?;
            tx.record("plan.update", Target::new("plan", &row.key).changed(&before, &row));
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_plan(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let key = ids.key("key")?;
    caller
        .write(async |tx| {
            let found = tx.one(tx.platform::<Entity>().filter(Column::Key.eq(key))).await?;
            let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            tx.delete(row).await.map_err(|error| match error {
                platform::DbError::Conflict(_) => Problem::new(codes::PLAN_IN_USE),
                other => other.into(),
            })?;
            tx.record("plan.delete", Target::new("plan", key));
            Ok(NoContent)
        })
        .await
}
