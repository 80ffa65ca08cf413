//! `/api/v1/tenants/{tenant}/quotas`

mod history;
mod reservations;
mod resources;

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Json;
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Access, Body, FieldErrors, Input, Problem, Routes, TenantCaller};

use crate::ops;
use crate::usage::Usage;

/// Resources of one tenant.
const RESOURCES_MAX: usize = 100;
/// The largest limit.
const LIMIT_MAX: i64 = 1_000_000_000;

/// The routes.
pub(crate) fn routes() -> Routes {
    const PATTERN: &str = "/api/v1/tenants/{tenant}/quotas";
    Routes::new()
        .add(
            Method::GET,
            PATTERN,
            Access::Key(Permission::QuotasRead),
            "get_quotas: Get a tenant's quotas.",
            get_quotas,
        )
        .add(
            Method::PUT,
            PATTERN,
            Access::Key(Permission::QuotasWrite),
            "set_quotas: Set a tenant's own limits, which replace those of its plan.",
            set_quotas,
        )
        .and(history::routes())
        .and(reservations::routes())
        .and(resources::routes())
}

/// Writes `X-Quota-*`: what an answer tells about the quota that its request used.
pub fn write_headers(usage: &Usage, headers: &mut HeaderMap) {
    let shown = |value: Option<i64>| value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string());
    for (name, value) in [
        ("x-quota-resource", usage.resource.clone()),
        ("x-quota-limit", shown(usage.limit)),
        ("x-quota-used", usage.used.to_string()),
        ("x-quota-remaining", shown(usage.remaining())),
        ("x-quota-soft-limit", shown(usage.soft_limit)),
    ] {
        if name == "x-quota-soft-limit" && usage.soft_limit.is_none() {
            continue;
        }
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The limit and usage of one resource.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quota {
    resource: String,
    /// The limit; null: unlimited.
    limit: Option<i64>,
    /// The amount in use.
    used: i64,
    /// What is left of the limit; null: unlimited.
    remaining: Option<i64>,
    /// The amount held by reservations.
    reserved: i64,
    /// The soft limit: exceeding it sends an event but is allowed. Null: none.
    soft_limit: Option<i64>,
    /// Whether the limit is set for this tenant; otherwise it is the plan's.
    own: bool,
}

/// A tenant's quotas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Quotas {
    items: Vec<Quota>,
}

/// The limit of one resource.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitInput {
    resource: String,
    /// The limit; null: unlimited.
    limit: Option<i64>,
}

/// A tenant's own limits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsInput {
    items: Vec<LimitInput>,
}

impl Input for LimitsInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(self.items.len() <= RESOURCES_MAX, "/items", "at most 100 resources");
        for (at, item) in self.items.iter().enumerate() {
            errors.require(
                web::is_slug(&item.resource),
                &format!("/items/{at}/resource"),
                "must be at most 63 lower-case letters, digits and hyphens",
            );
            let fits = item.limit.is_none_or(|limit| (0..=LIMIT_MAX).contains(&limit));
            errors.require(fits, &format!("/items/{at}/limit"), "must be from 0 to 1,000,000,000, or null");
        }
    }
}

impl From<Vec<Usage>> for Quotas {
    fn from(list: Vec<Usage>) -> Self {
        let quota = |usage: Usage| {
            let remaining = usage.remaining();
            Quota {
                resource: usage.resource,
                limit: usage.limit,
                used: usage.used,
                remaining,
                reserved: usage.reserved,
                soft_limit: usage.soft_limit,
                own: usage.own,
            }
        };
        Self { items: list.into_iter().map(quota).collect() }
    }
}

async fn get_quotas(caller: TenantCaller) -> Result<Json<Quotas>, Problem> {
    let list = caller.read(async |view| ops::list(view).await).await?;
    Ok(Json(list.into()))
}

async fn set_quotas(caller: TenantCaller, Body(input): Body<LimitsInput>) -> Result<Json<Quotas>, Problem> {
    let limits: BTreeMap<_, _> = input.items.into_iter().map(|item| (item.resource, item.limit)).collect();
    let list = caller.write(async |tx| ops::set(tx, &limits).await).await?;
    Ok(Json(list.into()))
}
