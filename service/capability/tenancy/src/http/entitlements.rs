//! `GET /api/internal/entitlements`: what a tenant's plan lets it do, asked by modules. The plan's data, no code.

use actix_web::http::Method;
use actix_web::web::Json;
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, FieldErrors, Input, PlatformCaller, Problem, Query, Routes};

use crate::model::Status;
use crate::ops;

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        "/api/internal/entitlements",
        Access::Key(Permission::QuotasReserve),
        "get_entitlements: Get a tenant's entitlements, or a single one with `?feature=`.",
        get_entitlements,
    )
}

/// Whose, and of what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntitlementQuery {
    tenant: String,
    feature: Option<String>,
}

impl Input for EntitlementQuery {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("?tenant", &self.tenant, 63);
        if let Some(feature) = &self.feature {
            errors.text("?feature", feature, 200);
        }
    }
}

/// The entitlements of a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entitlements {
    tenant_id: Uuid,
    /// The key of the tenant's plan.
    plan: String,
    /// The tenant's status; only an active tenant is entitled to anything.
    #[schema(value_type = String)]
    status: Status,
    /// All entitlements of the plan, or only the one that was asked for.
    #[schema(value_type = Object)]
    entitlements: Value,
    /// Whether the tenant may use the feature that was asked for: the tenant is active, and the plan names the feature with a value other
    /// than `false`. A value of `null` is an unlimited amount.
    entitled: Option<bool>,
}

async fn get_entitlements(
    caller: PlatformCaller,
    Query(query): Query<EntitlementQuery>,
) -> Result<Json<Entitlements>, Problem> {
    let caller = caller.named(&query.tenant).await?;
    let read = async |view: &platform::View| {
        let tenant = ops::get(view).await?;
        let plan = ops::plan(view, &tenant.plan).await?;
        Ok::<_, Problem>((tenant, plan))
    };
    let (tenant, plan) = caller.read(read).await?;
    let all = plan.entitlements.as_object().cloned().unwrap_or_default();
    let active = tenant.status == Status::Active;
    let (entitlements, entitled) = match query.feature {
        None => (Value::Object(all), None),
        Some(feature) => {
            let value = all.get(&feature).cloned();
            let granted = active && value.as_ref().is_some_and(|value| *value != Value::Bool(false));
            let only = value.map(|value| (feature, value)).into_iter().collect();
            (Value::Object(only), Some(granted))
        }
    };
    Ok(Json(Entitlements {
        tenant_id: tenant.id,
        plan: tenant.plan,
        status: tenant.status,
        entitlements,
        entitled,
    }))
}
