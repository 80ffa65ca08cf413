//! `/api/internal/quotas/reservations`: what modules hold.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, Responder as _};
use chrono::{DateTime, TimeDelta, Utc};
use entity::quota::reservation::Model;
use entity::quota::states::ReservationStatus;
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, Input, NoContent, PlatformCaller, Problem, Routes,
    TenantCaller,
};

use super::write_headers;
use crate::lookup::by_reservation;
use crate::reservations;
use crate::settings::Settings;

const LIST: &str = "/api/internal/quotas/reservations";
/// The most that is held at once.
const AMOUNT_MAX: i64 = 1_000_000;
/// No hold is longer.
const LIFETIME_SECONDS_MAX: i64 = 24 * 3600;

pub(super) fn routes() -> Routes {
    let reserve = Access::Key(Permission::QuotasReserve);
    Routes::new()
        .add(
            Method::POST,
            LIST,
            reserve,
            "create_reservation: Reserve part of a tenant's quota.",
            create_reservation,
        )
        .add(
            Method::POST,
            "/api/internal/quotas/reservations/{reservation_id}/commit",
            reserve,
            "commit_reservation: Commit a reservation: the reserved amount counts as used.",
            commit_reservation,
        )
        .add(
            Method::DELETE,
            "/api/internal/quotas/reservations/{reservation_id}",
            reserve,
            "release_reservation: Release a reservation; after a commit, return the amount that was used.",
            release_reservation,
        )
}

/// A reservation to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReservationInput {
    /// The tenant's id or slug.
    tenant_id: String,
    /// The resource's key, such as `nodes`.
    resource: String,
    /// How much to reserve: 1 to 1,000,000.
    amount: i64,
    /// Seconds until the reservation expires; absent: `quota.reservation_lifetime` of the configuration.
    lifetime_seconds: Option<i64>,
}

impl Input for ReservationInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/tenantId", &self.tenant_id, 63);
        errors.require(
            web::is_slug(&self.resource),
            "/resource",
            "must be at most 63 lower-case letters, digits and hyphens",
        );
        let fits = (1..=AMOUNT_MAX).contains(&self.amount);
        errors.require(fits, "/amount", "must be from 1 to 1,000,000");
        let fits = self.lifetime_seconds.is_none_or(|seconds| (1..=LIFETIME_SECONDS_MAX).contains(&seconds));
        errors.require(fits, "/lifetimeSeconds", "must be from 1 to 86,400");
    }
}

/// A reserved amount of a tenant's quota.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reservation {
    id: Uuid,
    tenant_id: Uuid,
    resource: String,
    amount: i64,
    /// `held`, `committed`, `released` or `expired`.
    #[schema(value_type = String)]
    status: ReservationStatus,
    /// When the reservation expires unless it is committed.
    expires_at: DateTime<Utc>,
}

impl From<Model> for Reservation {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            tenant_id: row.tenant_id,
            resource: row.resource,
            amount: row.amount,
            status: row.status,
            expires_at: row.expires_at,
        }
    }
}

async fn create_reservation(
    caller: PlatformCaller,
    request: HttpRequest,
    Body(input): Body<ReservationInput>,
) -> Result<HttpResponse, Problem> {
    let tenant = caller.named(&input.tenant_id).await?;
    let lifetime = match input.lifetime_seconds {
        Some(seconds) => TimeDelta::seconds(seconds),
        None => TimeDelta::from_std(caller.tools().config.section::<Settings>().reservation_lifetime)
            .unwrap_or(TimeDelta::minutes(5)),
    };
    let work = async |tx: &mut platform::Tx| {
        reservations::require_active(tx).await?;
        reservations::reserve(tx, &input.resource, input.amount, lifetime).await
    };
    let (row, usage) = tenant.write(work).await?;
    let location = format!("{LIST}/{}", row.id);
    let mut response = Created(location, Reservation::from(row)).respond_to(&request);
    write_headers(&usage, response.headers_mut());
    Ok(response.map_into_boxed_body())
}

async fn tenant_of(caller: &PlatformCaller, id: Uuid) -> Result<TenantCaller, Problem> {
    let found = caller.at(by_reservation(id)).await?;
    found.ok_or_else(|| Problem::new(Code::NOT_FOUND))
}

async fn commit_reservation(
    caller: PlatformCaller,
    ids: Ids,
) -> Result<actix_web::web::Json<Reservation>, Problem> {
    let id = ids.id("reservation_id")?;
    let tenant = tenant_of(&caller, id).await?;
    let work = async |tx: &mut platform::Tx| reservations::commit(tx, id).await;
    let row = tenant.write(work).await?;
    Ok(actix_web::web::Json(row.into()))
}

async fn release_reservation(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let id = ids.id("reservation_id")?;
    let tenant = tenant_of(&caller, id).await?;
    let work = async |tx: &mut platform::Tx| reservations::release(tx, id).await;
    tenant.write(work).await?;
    Ok(NoContent)
}
