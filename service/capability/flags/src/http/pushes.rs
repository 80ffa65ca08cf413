//! `/api/v1/modules/{module}/flag-pushes`: what each module has confirmed, and what it has not; `/api/internal/feature-flags/applied`, by
//! which a module says what it has.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::flags::push::{Column, Entity, Model};
use platform::{PlatformTx, Target, Work as _};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Accepted, Access, Body, Code, FieldErrors, Ids, Input, ListQuery, Page, PlatformCaller, Position,
    Problem, Query, Routes,
};

use crate::jobs::push_flags::PushFlags;
use crate::push::{VERSION_MAX, unconfirmed};
use crate::store;

const LIST: &str = "/api/v1/modules/{module_id}/flag-pushes";
const REPAIR: &str = "/api/v1/modules/{module_id}/flag-pushes/repair";
const APPLIED: &str = "/api/internal/feature-flags/applied";
/// Tenants in one report.
const REPORTED_MAX: usize = 1000;

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::GET,
            LIST,
            Access::Key(Permission::FlagsRead),
            "list_flag_pushes: List pushed and confirmed flag versions of a module; `?drift=true`: only differences.",
            list_flag_pushes,
        )
        .add(
            Method::POST,
            REPAIR,
            Access::Key(Permission::FlagsWrite),
            "repair_flag_pushes: Push all flags to a module again, for example after it lost its data.",
            repair_flag_pushes,
        )
        .add(
            Method::POST,
            APPLIED,
            Access::Key(Permission::FlagsEvaluate),
            "report_applied_flags: Report the flag versions a module has; what differs is pushed again.",
            report_applied_flags,
        )
}

/// Which pushes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    drift: Option<bool>,
}

impl Input for PushFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
    }
}

/// The state of pushing one tenant's flags to a module.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagPush {
    tenant_id: Uuid,
    /// The version that the module should have.
    version: i64,
    /// The version that the module has confirmed; 0: none yet.
    confirmed_version: i64,
    /// When the module last confirmed a version; null: never.
    confirmed_at: Option<DateTime<Utc>>,
    /// Whether the module has not confirmed the current version.
    drift: bool,
    /// Failed attempts to push the current version.
    attempts: i64,
    /// When the next attempt is made; null: no retry is waiting.
    next_attempt_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
}

impl From<Model> for FlagPush {
    fn from(row: Model) -> Self {
        Self {
            tenant_id: row.tenant_id,
            version: row.version,
            confirmed_version: row.confirmed_version,
            confirmed_at: row.confirmed_at,
            drift: row.confirmed_version < row.version,
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at,
            last_error: row.last_error,
        }
    }
}

async fn list_flag_pushes(
    caller: PlatformCaller,
    ids: Ids,
    Query(filter): Query<PushFilter>,
) -> Result<Page<FlagPush>, Problem> {
    let module = ids.id("module_id")?;
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor };
    let position = Position::of(&query, &format!("flag-pushes {module} {:?}", filter.drift))?;
    let after = position.after_id()?.unwrap_or_default();
    let rows = caller
        .read(async |view| {
            modules::module(view, module).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            let mut select = view.across::<Entity>().filter(Column::ModuleId.eq(module));
            if filter.drift == Some(true) {
                select = select.filter(unconfirmed());
            }
            let select = select.filter(Column::TenantId.gt(after)).order_by_asc(Column::TenantId);
            Ok::<_, Problem>(view.all(select.limit(position.limit + 1)).await?)
        })
        .await?;
    Ok(position.page(rows, |row| row.tenant_id.to_string(), FlagPush::from))
}

/// A repair that was started and continues in the background.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RepairBegun {
    module_id: Uuid,
    /// Number of tenants whose flags are pushed again.
    tenants: u64,
}

async fn repair_flag_pushes(caller: PlatformCaller, ids: Ids) -> Result<Accepted<RepairBegun>, Problem> {
    let module = ids.id("module_id")?;
    let work = async |tx: &mut PlatformTx| {
        modules::module(tx, module).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
        // A new version: what came under the old one, the module may take for seen.
        let tenants = store::raise_all(tx, module).await?;
        tx.enqueue(&PushFlags { module, at: None });
        let target = Target::new("module", module).with(json!({"tenants": tenants}));
        tx.record("module.flags_repair", target);
        Ok::<_, Problem>(tenants)
    };
    let tenants = caller.write(work).await?;
    let at = format!("/api/v1/modules/{module}/flag-pushes?drift=true");
    Ok(Accepted(at, RepairBegun { module_id: module, tenants }))
}

/// The flag versions that a module has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AppliedInput {
    /// The module's client id.
    client_id: String,
    items: Vec<AppliedVersion>,
}

/// The version of a tenant's flags that the module has; 0: none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AppliedVersion {
    tenant_id: Uuid,
    version: i64,
}

impl Input for AppliedInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require((1..=REPORTED_MAX).contains(&self.items.len()), "/items", "must have 1 to 1000 items");
        for (at, item) in self.items.iter().enumerate() {
            let at = format!("/items/{at}/version");
            errors.require(item.version >= 0, &at, &version_fits());
        }
    }
}

fn version_fits() -> String {
    format!("must be from 0 to {VERSION_MAX}")
}

/// How the reported versions compare with the current ones.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppliedReport {
    /// Number of tenants whose version is current.
    current: usize,
    /// Tenants whose version differs: their flags are pushed again.
    pushed: Vec<Uuid>,
    /// Tenants whose flags were never pushed to this module.
    unknown: Vec<Uuid>,
}

async fn report_applied_flags(
    caller: PlatformCaller,
    Body(input): Body<AppliedInput>,
) -> Result<Json<AppliedReport>, Problem> {
    let module = modules::client(caller.platform(), &input.client_id).await?;
    let module = module.ok_or_else(|| Problem::invalid("/clientId", "must be a module's client id"))?.id;
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let mut report = AppliedReport { current: 0, pushed: Vec::new(), unknown: Vec::new() };
        let wanted = input.items.iter().map(|item| item.tenant_id);
        let rows = tx.across::<Entity>().filter(Column::ModuleId.eq(module));
        let rows = tx.all(rows.filter(Column::TenantId.is_in(wanted))).await?;
        let rows: std::collections::HashMap<Uuid, Model> =
            rows.into_iter().map(|row| (row.tenant_id, row)).collect();
        for (at, item) in input.items.iter().enumerate() {
            let row = rows.get(&item.tenant_id);
            // Ours may be one later than a module can have of its own; then it says so honestly.
            if item.version > VERSION_MAX && row.is_none_or(|row| row.version != item.version) {
                return Err(Problem::invalid(format!("/items/{at}/version"), version_fits()));
            }
            match row {
                None => report.unknown.push(item.tenant_id),
                Some(row) if row.version == item.version => {
                    report.current += 1;
                    store::confirm_reported(tx, row).await?;
                }
                Some(row) => {
                    report.pushed.push(item.tenant_id);
                    store::raise_above(tx, row, item.version).await?;
                }
            }
        }
        if !report.pushed.is_empty() {
            tx.enqueue(&PushFlags { module, at: None });
        }
        Ok::<_, Problem>(report)
    };
    Ok(Json(caller.write(work).await?))
}
