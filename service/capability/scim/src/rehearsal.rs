//! Rehearsals: a token whose requests work on a copy of the directory. They are answered as the real thing would answer,
//! one after the other, and recorded; the directory itself never sees them. What they would have changed is a comparison
//! of the copy with it.
//!
//! The copy lives under a hidden tenant of its own, so everything that keeps tenants apart keeps it apart, too: no list,
//! sign-in, quota or event of the real tenant can meet it.

use std::fmt::Write as _;

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::scim::rehearsal::{Column, Entity, Model};
use entity::scim::states::RehearsalStatus;
use entity::scim::token;
use platform::jobs::{Backoff, Class, Handler, Job, JobError, JobRun};
use platform::{Ctx, PlatformTx, PlatformView, Target, Tx, Work, ids};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Code, Ids, Problem, Routes, Service, TenantCaller};

use crate::tokens;

const DIFF: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{token_id}/rehearsal";
/// Differences that are listed of each kind; all are counted.
const LISTED: usize = 200;

/// Tables of a directory and their columns behind the tenant, parents first.
const COPIED: [(&str, &str); 9] = [
    ("organization", "id, slug, name, version, created_at, updated_at"),
    (
        "directory_user",
        "organization_id, id, user_name, user_name_key, external_id, display_name, email, active, role, role_source, source, \
         resource, folded, version, created_at, updated_at, address_proof, deactivated_by, role_under",
    ),
    ("directory_user_email", "organization_id, user_id, ordinal, type_key, value_key"),
    (
        "directory_group",
        "organization_id, id, display_name, display_name_key, external_id, resource, folded, version, created_at, updated_at",
    ),
    ("directory_group_member", "organization_id, group_id, user_id"),
    ("directory_group_child", "organization_id, group_id, child_id"),
    ("directory_role_mapping", "organization_id, id, group_id, role, created_at"),
    (
        "directory_guard",
        "organization_id, users_max, percent_max, window_seconds, state, state_until, held_at, held_count, version, created_at, \
         updated_at",
    ),
    ("quota", "resource, limit_value, used, updated_at, limit_own, limit_soft"),
];

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        DIFF,
        Access::Key(Permission::DirectoryRead),
        "get_rehearsal: Get what the requests made with a rehearsal token would have changed.",
        get_rehearsal,
    )
}

/// Begins a rehearsal for a token that was just made: the copy follows by a job.
pub(crate) async fn begin(tx: &mut Tx, token: &token::Model) -> Result<(), Problem> {
    let row = Model {
        tenant_id: token.tenant_id,
        organization_id: token.organization_id,
        token_id: token.id,
        shadow_id: ids::new(),
        status: RehearsalStatus::Preparing,
        created_at: tx.now(),
        ready_at: None,
    };
    tx.insert(row.clone()).await?;
    tx.enqueue(&Prepare { tenant: row.tenant_id, organization: row.organization_id, token: row.token_id });
    Ok(())
}

/// Ends the rehearsal of a token that goes: the copy is thrown away by a job.
pub(crate) async fn end(tx: &mut Tx, token: &token::Model) -> Result<(), Problem> {
    let select = tx.select::<Entity>().filter(Column::TokenId.eq(token.id));
    let Some(row) = tx.one(select).await? else { return Ok(()) };
    let removal = tx.remove::<Entity>().filter(Column::TokenId.eq(token.id));
    tx.purge(removal).await?;
    tx.enqueue(&Discard { tenant: row.tenant_id, shadow: row.shadow_id });
    Ok(())
}

/// Ends all rehearsals of a tenant that goes.
pub(crate) async fn end_all(tx: &mut Tx) -> Result<(), Problem> {
    for row in tx.all(tx.select::<Entity>()).await? {
        tx.enqueue(&Discard { tenant: row.tenant_id, shadow: row.shadow_id });
    }
    tx.purge(tx.remove::<Entity>()).await?;
    Ok(())
}

/// Makes the copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Prepare {
    tenant: Uuid,
    organization: Uuid,
    token: Uuid,
}

impl Job for Prepare {
    const KIND: &'static str = "scim.prepare_rehearsal";
    const CLASS: Class = Class::Directory;

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Throws the copy away.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Discard {
    tenant: Uuid,
    shadow: Uuid,
}

impl Job for Discard {
    const KIND: &'static str = "scim.discard_rehearsal";
    const CLASS: Class = Class::Directory;

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Runs both.
pub(crate) fn handlers(service: &Service) -> [Handler; 2] {
    let (preparing, discarding) = (service.clone(), service.clone());
    [
        Handler::new(Backoff::default(), move |job: Prepare, run| prepare(preparing.clone(), job, run)),
        Handler::new(Backoff::default(), move |job: Discard, run| discard(discarding.clone(), job, run)),
    ]
}

async fn prepare(service: Service, job: Prepare, run: JobRun) -> Result<(), JobError> {
    let ctx = Ctx { request_id: run.request_id, ..Ctx::system("rehearsals") };
    let work = async |tx: &mut PlatformTx| -> Result<(), Problem> {
        let select = tx.across::<Entity>().filter(Column::TenantId.eq(job.tenant));
        let Some(row) = tx.one(select.filter(Column::TokenId.eq(job.token))).await? else {
            tx.housekeeping();
            return Ok(());
        };
        if row.status == RehearsalStatus::Ready {
            tx.housekeeping();
            return Ok(());
        }
        copy(tx, &row).await?;
        platform::crash_point!("rehearsal.before_commit");
        tx.update(Model { status: RehearsalStatus::Ready, ready_at: Some(tx.now()), ..row.clone() }).await?;
        tx.record_for(row.tenant_id, "scim_rehearsal.begin", Target::new("scim_token", row.token_id));
        Ok(())
    };
    Ok(service.db.write_platform(&ctx, work).await?)
}

/// One statement a table: the copy is of one moment, and made inside the store.
async fn copy(tx: &PlatformTx, row: &Model) -> Result<(), Problem> {
    let columns = "name, plan, isolation, region, identity_backend, identity_kind, instance_driver, instance_mode, version, \
                   created_at, updated_at";
    let sql = format!(
        "INSERT INTO tenant (id, slug, status, deleted_at, rehearses, {columns}) \
         SELECT $1, $3, 'deleted', $4, id, {columns} FROM tenant WHERE id = $2"
    );
    let slug = format!("rehearsal-{}", row.shadow_id.simple());
    let values = vec![row.shadow_id.into(), row.tenant_id.into(), slug.into(), tx.now().into()];
    tx.execute(&sql, values).await?;
    for (table, columns) in COPIED {
        let mut sql = format!(
            "INSERT INTO {table} (tenant_id, {columns}) SELECT $1, {columns} FROM {table} WHERE tenant_id = $2"
        );
        let mut values = vec![row.shadow_id.into(), row.tenant_id.into()];
        let of_organization = match table {
            "organization" => Some("id"),
            "quota" => None,
            _ => Some("organization_id"),
        };
        if let Some(column) = of_organization {
            let _ = write!(sql, " AND {column} = $3");
            values.push(row.organization_id.into());
        }
        tx.execute(&sql, values).await?;
    }
    Ok(())
}

async fn discard(service: Service, job: Discard, _: JobRun) -> Result<(), JobError> {
    let ctx = Ctx::system("rehearsals");
    let work = async |tx: &mut PlatformTx| -> Result<(), Problem> {
        tx.housekeeping();
        // Memberships and addresses go with their users and groups.
        for table in [
            "session",
            "mail_message",
            "directory_change",
            "directory_group",
            "directory_user",
            "quota",
            "directory_guard",
            "organization",
        ] {
            let sql = format!("DELETE FROM {table} WHERE tenant_id = $1");
            tx.execute(&sql, vec![job.shadow.into()]).await?;
        }
        tx.execute("DELETE FROM tenant WHERE id = $1 AND rehearses IS NOT NULL", vec![job.shadow.into()])
            .await?;
        Ok(())
    };
    Ok(service.db.write_platform(&ctx, work).await?)
}

/// One difference between the rehearsal's copy and the directory.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Difference {
    /// `user` or `group`.
    kind: String,
    /// `created`, `changed`, `deactivated`, `reactivated`, `deleted`, or `members` for the members of a group.
    action: String,
    id: Uuid,
    /// The user's `userName` or the group's `displayName`.
    name: String,
    /// For `members`: how many would have been added.
    added: Option<i64>,
    /// For `members`: how many would have been removed.
    removed: Option<i64>,
}

/// What the requests made with a rehearsal token would have changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rehearsal {
    /// `preparing` (the copy of the directory is being made) or `ready`.
    #[schema(value_type = String)]
    status: RehearsalStatus,
    created_at: DateTime<Utc>,
    /// When the copy of the directory was ready; null until then.
    ready_at: Option<DateTime<Utc>>,
    users_created: i64,
    users_changed: i64,
    users_deactivated: i64,
    users_deleted: i64,
    groups_created: i64,
    groups_changed: i64,
    groups_deleted: i64,
    members_added: i64,
    members_removed: i64,
    /// The first 200 differences of each kind.
    differences: Vec<Difference>,
}

async fn get_rehearsal(caller: TenantCaller, ids: Ids) -> Result<Json<Rehearsal>, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("token_id")?);
    let row = caller
        .read(async |view| {
            let token = tokens::find(view, name, id).await?;
            let select = view.select::<Entity>().filter(Column::OrganizationId.eq(token.organization_id));
            Ok::<_, Problem>(view.one(select.filter(Column::TokenId.eq(id))).await?)
        })
        .await?;
    let row = row.ok_or_else(|| Problem::detailed(Code::NotFound, "The token is not a rehearsal token."))?;
    let found = async |view: &PlatformView| compare(view, row).await;
    Ok(Json(caller.service.db.read_platform(found).await?))
}

async fn compare(view: &PlatformView, row: Model) -> Result<Rehearsal, Problem> {
    let mut all = Rehearsal {
        status: row.status,
        created_at: row.created_at,
        ready_at: row.ready_at,
        users_created: 0,
        users_changed: 0,
        users_deactivated: 0,
        users_deleted: 0,
        groups_created: 0,
        groups_changed: 0,
        groups_deleted: 0,
        members_added: 0,
        members_removed: 0,
        differences: Vec::new(),
    };
    if row.status != RehearsalStatus::Ready {
        return Ok(all);
    }
    let changed_user = "CASE WHEN a.active AND NOT b.active THEN 'deactivated' WHEN b.active AND NOT a.active THEN 'reactivated' ELSE 'changed' END";
    for difference in resources(view, &row, ("user", "directory_user", "user_name"), changed_user).await? {
        let counter = match difference.action.as_str() {
            "created" => &mut all.users_created,
            "deleted" => &mut all.users_deleted,
            "deactivated" => &mut all.users_deactivated,
            _ => &mut all.users_changed,
        };
        *counter += 1;
        keep(&mut all.differences, difference);
    }
    for difference in resources(view, &row, ("group", "directory_group", "display_name"), "'changed'").await?
    {
        let counter = match difference.action.as_str() {
            "created" => &mut all.groups_created,
            "deleted" => &mut all.groups_deleted,
            _ => &mut all.groups_changed,
        };
        *counter += 1;
        keep(&mut all.differences, difference);
    }
    for difference in memberships(view, &row).await? {
        all.members_added += difference.added.unwrap_or(0);
        all.members_removed += difference.removed.unwrap_or(0);
        keep(&mut all.differences, difference);
    }
    Ok(all)
}

fn keep(all: &mut Vec<Difference>, new: Difference) {
    let same = all.iter().filter(|one| one.kind == new.kind && one.action == new.action).count();
    if same < LISTED {
        all.push(new);
    }
}

/// Rows that only the copy has, only the directory has, or that differ. `a` is the directory, `b` the copy.
async fn resources(
    view: &PlatformView,
    row: &Model,
    (kind, table, name): (&str, &str, &str),
    changed: &str,
) -> Result<Vec<Difference>, Problem> {
    let both = "b.organization_id = a.organization_id AND b.id = a.id";
    let of =
        |alias: &str, tenant: &str| format!("{alias}.tenant_id = {tenant} AND {alias}.organization_id = $3");
    let (real, copy) = (of("a", "$1"), of("b", "$2"));
    let active = if kind == "user" { " OR a.active <> b.active" } else { "" };
    let sql = format!(
        "SELECT {changed} AS action, b.id, b.{name} AS name FROM {table} a JOIN {table} b ON {both} AND {copy} \
         WHERE {real} AND (a.resource <> b.resource{active}) \
         UNION ALL SELECT 'created', b.id, b.{name} FROM {table} b WHERE {copy} \
         AND NOT EXISTS (SELECT 1 FROM {table} a WHERE {real} AND {both}) \
         UNION ALL SELECT 'deleted', a.id, a.{name} FROM {table} a WHERE {real} \
         AND NOT EXISTS (SELECT 1 FROM {table} b WHERE {copy} AND {both})"
    );
    let values = vec![row.tenant_id.into(), row.shadow_id.into(), row.organization_id.into()];
    let rows = view.query(&sql, values).await?;
    let read = |row: &sea_orm::QueryResult| -> Result<Difference, sea_orm::DbErr> {
        Ok(Difference {
            kind: kind.to_owned(),
            action: row.try_get("", "action")?,
            id: row.try_get("", "id")?,
            name: row.try_get("", "name")?,
            added: None,
            removed: None,
        })
    };
    let all: Result<Vec<_>, _> = rows.iter().map(read).collect();
    Ok(all.map_err(platform::DbError::from)?)
}

async fn memberships(view: &PlatformView, row: &Model) -> Result<Vec<Difference>, Problem> {
    let differ = |table: &str, column: &str, have: &str, lack: &str, added: i32| {
        format!(
            "SELECT x.group_id, {added} AS added FROM {table} x WHERE x.tenant_id = {have} AND x.organization_id = $3 \
             AND NOT EXISTS (SELECT 1 FROM {table} y WHERE y.tenant_id = {lack} AND y.organization_id = $3 \
             AND y.group_id = x.group_id AND y.{column} = x.{column})"
        )
    };
    let parts = [
        differ("directory_group_member", "user_id", "$2", "$1", 1),
        differ("directory_group_member", "user_id", "$1", "$2", 0),
        differ("directory_group_child", "child_id", "$2", "$1", 1),
        differ("directory_group_child", "child_id", "$1", "$2", 0),
    ];
    let sql = format!(
        "SELECT d.group_id AS id, g.display_name AS name, SUM(d.added) AS added, COUNT(*) AS changed \
         FROM ({}) AS d JOIN (SELECT id, MIN(display_name) AS display_name FROM directory_group \
         WHERE (tenant_id = $1 OR tenant_id = $2) AND organization_id = $3 GROUP BY id) AS g ON g.id = d.group_id \
         GROUP BY d.group_id, g.display_name ORDER BY d.group_id",
        parts.join(" UNION ALL ")
    );
    let values = vec![row.tenant_id.into(), row.shadow_id.into(), row.organization_id.into()];
    let rows = view.query(&sql, values).await?;
    let read = |row: &sea_orm::QueryResult| -> Result<Difference, sea_orm::DbErr> {
        let (added, changed): (i64, i64) = (row.try_get("", "added")?, row.try_get("", "changed")?);
        Ok(Difference {
            kind: "group".to_owned(),
            action: "members".to_owned(),
            id: row.try_get("", "id")?,
            name: row.try_get("", "name")?,
            added: Some(added),
            removed: Some(changed - added),
        })
    };
    let all: Result<Vec<_>, _> = rows.iter().map(read).collect();
    Ok(all.map_err(platform::DbError::from)?)
}
