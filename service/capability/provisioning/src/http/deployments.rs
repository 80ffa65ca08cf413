//! `/api/v1/deployments`: what stands at Azure, and what stands there that nobody knows.

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::provisioning::deployment::{Column, Entity, Model};
use entity::provisioning::states::DeploymentStatus;
use entity::tenancy::states::Isolation;
use platform::PlatformView;
use policy_core::Permission;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Code, ListQuery, Page, PlatformCaller, Problem, Query, Routes};

pub(super) fn routes() -> Routes {
    let read = Access::Key(Permission::CatalogueRead);
    Routes::new()
        .add(
            Method::GET,
            "/api/v1/deployments",
            read,
            "list_deployments: List Azure deployments.",
            list_deployments,
        )
        .add(
            Method::GET,
            "/api/v1/deployments/orphans",
            read,
            "list_orphans: List Azure resource groups with this service's tag but no known deployment.",
            list_orphans,
        )
}

/// An Azure deployment that an instance runs on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    id: Uuid,
    /// What it was made for: `tenant:{id}` or `pool:{driver}:{region}:{number}`.
    purpose: String,
    /// The isolation that it was made for: `shared`, `namespace` or `private`.
    #[schema(value_type = String)]
    sku: Isolation,
    /// The Azure region.
    region: String,
    resource_group: String,
    name: String,
    /// `pending`, `deploying`, `checking`, `succeeded`, `failed`, `deleting` or `deleted`.
    #[schema(value_type = String)]
    status: DeploymentStatus,
    /// Why it failed; null: it did not.
    error: Option<String>,
    /// The outputs of the ARM template.
    #[schema(value_type = Object)]
    outputs: Value,
    /// The instance that runs on it; null until there is one.
    instance_id: Option<Uuid>,
    template_version: String,
    /// The most recent requests to Azure Resource Manager.
    #[schema(value_type = Vec<Object>)]
    calls: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Model> for Deployment {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            purpose: row.purpose,
            sku: row.sku,
            region: row.region,
            resource_group: row.resource_group,
            name: row.name,
            status: row.status,
            error: row.error,
            outputs: row.outputs,
            instance_id: row.instance_id,
            template_version: row.template_version,
            calls: row.calls,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// An Azure resource group that belongs to no known deployment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Orphan {
    resource_group: String,
    /// The deployment id in the group's tag.
    deployment: String,
}

/// Azure resource groups that belong to no known deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Orphans {
    items: Vec<Orphan>,
}

async fn list_deployments(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Deployment>, Problem> {
    caller.page::<Entity, _>(&query, Column::Id, Deployment::from).await
}

async fn list_orphans(caller: PlatformCaller) -> Result<Json<Orphans>, Problem> {
    let tools = caller.tools();
    if !azure::is_configured(tools.config.section::<azure::Settings>()) {
        return Err(Problem::new(backends::codes::BACKEND_UNAVAILABLE).fact("driver", "azure"));
    }
    let find = async |view: &PlatformView| view.all(crate::deployments::live(view)).await;
    let rows = caller.read(find).await?;
    let known: BTreeSet<String> = rows.into_iter().map(|row| row.id.to_string()).collect();
    let found =
        azure::orphans(tools.config.section::<azure::Settings>(), &tools.outside(), |id| known.contains(id))
            .await;
    let found = found.map_err(|failure| Problem::detailed(Code::UNAVAILABLE, failure.reason))?;
    let items = found
        .into_iter()
        .map(|orphan| Orphan { resource_group: orphan.resource_group, deployment: orphan.deployment });
    Ok(Json(Orphans { items: items.collect() }))
}
