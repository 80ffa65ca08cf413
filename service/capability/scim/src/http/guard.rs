//! `…/directory-guard`: limits on removals by a sync, and an admin's answer when they are reached.

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use directory::GuardLimits;
use entity::directory::guard;
use entity::directory::states::GuardState;
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, FieldErrors, Ids, IfMatch, Input, NoContent, Problem, Routes, Tagged, TenantCaller,
};

const GUARD: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/directory-guard";
const CONFIRM: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/directory-guard/confirm";
const REJECT: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/directory-guard/reject";
/// Seconds of a window, unless asked: Entra's cycle of 40 minutes, and some.
const WINDOW_SECONDS: i64 = 3600;
const WINDOW_SECONDS_MAX: i64 = 7 * 24 * 3600;

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::DirectoryRead), Access::Key(Permission::DirectoryWrite));
    Routes::new()
        .add(
            Method::GET,
            GUARD,
            read,
            "get_directory_guard: Get the directory guard: the limits on how many users SCIM may remove.",
            get_guard,
        )
        .add(
            Method::PUT,
            GUARD,
            write,
            "put_directory_guard: Limit how many users SCIM may remove within a time window.",
            put_guard,
        )
        .add(
            Method::DELETE,
            GUARD,
            write,
            "delete_directory_guard: Delete the directory guard: SCIM may remove any number of users.",
            delete_guard,
        )
        .add(
            Method::POST,
            CONFIRM,
            write,
            "confirm_removals: Allow the removals that the directory guard blocked, for one time window.",
            confirm_removals,
        )
        .add(
            Method::POST,
            REJECT,
            write,
            "reject_removals: Reject the removals that the directory guard blocked, for one time window.",
            reject_removals,
        )
}

/// How many users SCIM may remove before further removals are blocked. At least one of the limits is required.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GuardInput {
    /// The number of users that may be deactivated or deleted within a time window.
    #[schema(minimum = 1)]
    users_max: Option<i64>,
    /// The same as a percentage of the active users; applies from ten users on.
    #[schema(minimum = 1, maximum = 100)]
    percent_max: Option<i64>,
    /// The length of the time window in seconds; absent: 3600.
    window_seconds: Option<i64>,
}

impl Input for GuardInput {
    fn check(&self, errors: &mut FieldErrors) {
        let any = self.users_max.is_some() || self.percent_max.is_some();
        errors.require(any, "/usersMax", "is required unless percentMax is given");
        errors.require(self.users_max.is_none_or(|n| n >= 1), "/usersMax", "must be at least 1");
        let percent = self.percent_max.is_none_or(|n| (1..=100).contains(&n));
        errors.require(percent, "/percentMax", "must be from 1 to 100");
        let window = self.window_seconds.is_none_or(|n| (60..=WINDOW_SECONDS_MAX).contains(&n));
        errors.require(window, "/windowSeconds", "must be from 60 to 604800");
    }
}

/// The directory guard and its state.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DirectoryGuard {
    organization_id: Uuid,
    /// The number of users that may be removed within a time window; null: no such limit.
    users_max: Option<i64>,
    /// The percentage of active users that may be removed within a time window; null: no such limit.
    percent_max: Option<i64>,
    /// The length of the time window in seconds.
    window_seconds: i64,
    /// `armed`, `blocked` (removals are refused until an admin decides), `confirmed` or `rejected`.
    #[schema(value_type = String)]
    state: GuardState,
    /// When `confirmed` or `rejected` ends; otherwise null.
    state_until: Option<DateTime<Utc>>,
    /// When removals were blocked; null: they were not.
    blocked_at: Option<DateTime<Utc>>,
    /// Number of removals refused since `blockedAt`.
    blocked_count: i64,
    updated_at: DateTime<Utc>,
}

fn shown(row: guard::Model) -> Tagged<DirectoryGuard> {
    let guard = DirectoryGuard {
        organization_id: row.organization_id,
        users_max: row.users_max,
        percent_max: row.percent_max,
        window_seconds: row.window_seconds,
        state: row.state,
        state_until: row.state_until,
        blocked_at: row.blocked_at,
        blocked_count: row.blocked_count,
        updated_at: row.updated_at,
    };
    Tagged(row.version, guard)
}

async fn get_guard(caller: TenantCaller, ids: Ids) -> Result<Tagged<DirectoryGuard>, Problem> {
    let name = ids.key("organization")?;
    let row = caller
        .read(async |view| {
            let organization = tenancy::organization_named(view, name).await?;
            Ok::<_, Problem>(directory::guard(view, organization.id).await?)
        })
        .await?;
    row.map(shown)
        .ok_or_else(|| Problem::detailed(Code::NOT_FOUND, "The organization has no directory guard."))
}

async fn put_guard(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<GuardInput>,
) -> Result<Tagged<DirectoryGuard>, Problem> {
    let name = ids.key("organization")?;
    let limits = GuardLimits {
        users_max: input.users_max,
        percent_max: input.percent_max,
        window_seconds: input.window_seconds.unwrap_or(WINDOW_SECONDS),
    };
    let row = caller
        .write(async |tx| {
            let organization = tenancy::organization_named(tx, name).await?;
            Ok::<_, Problem>(directory::put_guard(tx, organization.id, limits, &seen).await?)
        })
        .await?;
    Ok(shown(row))
}

async fn delete_guard(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let name = ids.key("organization")?;
    caller
        .write(async |tx| {
            let organization = tenancy::organization_named(tx, name).await?;
            directory::delete_guard(tx, organization.id).await?;
            Ok::<_, Problem>(NoContent)
        })
        .await
}

async fn confirm_removals(caller: TenantCaller, ids: Ids) -> Result<Tagged<DirectoryGuard>, Problem> {
    answer(caller, ids, true).await
}

async fn reject_removals(caller: TenantCaller, ids: Ids) -> Result<Tagged<DirectoryGuard>, Problem> {
    answer(caller, ids, false).await
}

async fn answer(caller: TenantCaller, ids: Ids, confirm: bool) -> Result<Tagged<DirectoryGuard>, Problem> {
    let name = ids.key("organization")?;
    let row = caller
        .write(async |tx| {
            let organization = tenancy::organization_named(tx, name).await?;
            Ok::<_, Problem>(directory::answer_guard(tx, organization.id, confirm).await?)
        })
        .await?;
    Ok(shown(row))
}
