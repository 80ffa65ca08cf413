//! `POST /api/v1/tenants`, `DELETE /api/v1/tenants/{tenant}`, and the runs of a tenant.

mod deployments;
mod export;
mod moving;
mod new_tenant;
mod timeline;

use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, Responder as _};
use chrono::TimeDelta;
use entity::provisioning::run;
use entity::tenancy::states::IdentityBackend;
use entity::tenancy::status::Unusable;
use platform::{Target, View, Work as _};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{Status, Tenant};
use tokio::time::{Instant, sleep, timeout};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Accepted, Access, Body, Created, FieldErrors, Input, ListQuery, Page, PlatformCaller, Position, Problem,
    Query, Routes, TenantCaller,
};

use crate::error::Error;
use crate::model::Kind;
use crate::settings::Settings;
use crate::{desired_state, ops};

pub use export::Export;
pub use new_tenant::NewTenant;
pub use timeline::{Provisioning, TimelineStep};

const ONE: &str = "/api/v1/tenants/{tenant}";
/// `Prefer: wait` is honoured up to this.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// How often a tenant is tried to be let in, by one request.
const RESUMED_MAX: usize = 4;
/// How often a waiting request looks.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// The routes.
pub(crate) fn routes() -> Routes {
    let (manage, read) = (Access::Key(Permission::TenantsManage), Access::Key(Permission::TenantRead));
    let create = Access::Key(Permission::TenantsCreate);
    Routes::new()
        .add(Method::POST, "/api/v1/tenants", create, "create_tenant: Provision a tenant.", create_tenant)
        .add(
            Method::DELETE,
            ONE,
            manage,
            "delete_tenant: Delete a tenant after its recycle period; with `?purge=true` immediately.",
            delete_tenant,
        )
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/resume",
            manage,
            "resume_tenant: Resume a suspended tenant, or cancel its deletion.",
            resume_tenant,
        )
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/retry",
            manage,
            "retry_tenant: Provision a failed tenant again, or retry the current step of a run now.",
            retry_tenant,
        )
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/rollback",
            manage,
            "rollback_tenant: Abort the tenant's open run and undo the steps already done.",
            rollback_tenant,
        )
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/move",
            manage,
            "move_tenant: Move a tenant to another instance, region, isolation level or identity backend.",
            moving::move_tenant,
        )
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/drift",
            manage,
            "get_drift: Compare a tenant's realm or org at its identity backend with the desired state.",
            get_drift,
        )
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/repair",
            manage,
            "repair_tenant: Repair a tenant's realm or org at its identity backend, its quotas and flags.",
            repair_tenant,
        )
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/provisioning",
            read,
            "get_provisioning: Get a tenant's latest provisioning run, step by step.",
            get_provisioning,
        )
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/runs",
            read,
            "list_runs: List a tenant's provisioning runs, newest first.",
            list_runs,
        )
        .and(deployments::routes())
        .and(export::routes())
}

/// How much of a request's time may be waited for.
const WAIT_SHARE: f32 = 0.8;

/// Seconds of `Prefer: wait=N` (RFC 7240).
fn wait(request: &HttpRequest) -> Option<Duration> {
    let values = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    let seconds = preferences.find_map(|one| one.trim().strip_prefix("wait=")?.trim().parse::<u64>().ok())?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

async fn create_tenant(
    caller: PlatformCaller,
    request: HttpRequest,
    Body(input): Body<NewTenant>,
) -> Result<HttpResponse, Problem> {
    let begun = Instant::now();
    let (row, parameters) = input.into_row(caller.platform()).await?;
    let id = row.id;
    let made = caller.within(id);
    let mut row = made.write(async |tx| ops::create(tx, row, parameters).await).await?;
    if let Some(wait) = wait(&request) {
        // It is made, whatever comes now: who can't be told that it is active hears that it is accepted.
        let until = begun + wait.min(caller.tools().config.server.request_timeout.mul_f32(WAIT_SHARE));
        let poll = async {
            while row.status == Status::Provisioning {
                sleep(POLL_INTERVAL).await;
                match made.read(async |view| tenancy::get(view).await).await {
                    Ok(now) => row = now,
                    Err(_) => break,
                }
            }
        };
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            let _ = timeout(left, poll).await;
        }
    }
    let location = format!("/api/v1/tenants/{id}");
    let active = row.status == Status::Active;
    let reply = Tenant::from(row);
    let response = if active {
        Created(location, reply).respond_to(&request)
    } else {
        Accepted(location, reply).respond_to(&request)
    };
    Ok(response)
}

fn accepted(row: entity::tenancy::tenant::Model) -> Accepted<Tenant> {
    Accepted(format!("/api/v1/tenants/{}", row.id), row.into())
}

/// How a tenant is deleted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deletion {
    purge: Option<bool>,
}

impl Input for Deletion {
    fn check(&self, _: &mut FieldErrors) {}
}

async fn delete_tenant(
    caller: TenantCaller,
    Query(how): Query<Deletion>,
) -> Result<Accepted<Tenant>, Problem> {
    let period = if how.purge == Some(true) {
        TimeDelta::zero()
    } else {
        TimeDelta::from_std(caller.tools().config.section::<Settings>().recycle_period).unwrap_or_default()
    };
    Ok(accepted(caller.write(async |tx| ops::delete(tx, period).await).await?))
}

/// Between the look at a tenant and its lock somebody may begin its deletion, or take it back: then it is looked at once more.
async fn resume_tenant(caller: TenantCaller) -> Result<Json<Tenant>, Problem> {
    for _ in 1..RESUMED_MAX {
        match caller.write(async |tx| ops::resume(tx).await).await {
            Err(Error::Tenant(tenancy::Error::Unusable(Unusable::NotActive(_)))) => {}
            other => return Ok(Json(other?.into())),
        }
    }
    Ok(Json(caller.write(async |tx| ops::resume(tx).await).await?.into()))
}

async fn retry_tenant(caller: TenantCaller) -> Result<Accepted<Tenant>, Problem> {
    Ok(accepted(caller.write(async |tx| ops::retry(tx).await).await?))
}

async fn rollback_tenant(caller: TenantCaller) -> Result<Accepted<Tenant>, Problem> {
    Ok(accepted(caller.write(async |tx| ops::rollback(tx).await).await?))
}

/// How a tenant's realm or org at its identity backend differs from the desired state.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drift {
    #[schema(value_type = String)]
    backend: IdentityBackend,
    differences: Vec<backends::Difference>,
}

async fn get_drift(caller: TenantCaller) -> Result<Json<Drift>, Problem> {
    let tenant = caller.read(async |view| tenancy::get(view).await).await?;
    let outside = caller.tools().outside();
    let differences = desired_state::compare(caller.platform(), &outside, &tenant).await?;
    Ok(Json(Drift { backend: tenant.identity_backend, differences }))
}

async fn repair_tenant(caller: TenantCaller) -> Result<Accepted<Tenant>, Problem> {
    let row = caller
        .write(async |tx| {
            let tenant = tenancy::get(tx).await?;
            if !matches!(tenant.status, Status::Active | Status::Suspended) {
                return Err(tenancy::Error::not_in(tenant.status).into());
            }
            ops::begin(tx, Kind::Repair, json!({})).await?;
            tx.record("tenant.repair", Target::new("tenant", tenant.id));
            Ok::<_, Error>(tenant)
        })
        .await?;
    Ok(accepted(row))
}

async fn get_provisioning(caller: TenantCaller) -> Result<Json<Provisioning>, Problem> {
    Ok(Json(caller.read(async |view| ops::latest(view).await).await?.into()))
}

async fn list_runs(
    caller: TenantCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Provisioning>, Problem> {
    let position = Position::of(&query, "runs")?;
    let before = position.after_id()?.unwrap_or(Uuid::max());
    let read = async |view: &View| {
        let select = view.select::<run::Entity>().filter(run::Column::Id.lt(before));
        let rows = view.all(select.order_by_desc(run::Column::Id).limit(position.limit + 1)).await?;
        ops::with_steps(view, rows).await
    };
    let rows = caller.read(read).await?;
    Ok(position.page(rows, |(run, _)| run.id.to_string(), Provisioning::from))
}
