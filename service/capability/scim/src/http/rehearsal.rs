//! `…/rehearsal`: what the requests of a rehearsal would have changed is a comparison of its copy with the directory.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::scim::rehearsal::{Column, Entity, Model};
use entity::scim::states::RehearsalStatus;
use platform::{DbError, PlatformView};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Code, Ids, Problem, Routes, TenantCaller};

use crate::tokens;

const DIFF: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{token_id}/rehearsal";
/// Differences that are listed of each kind; all are counted.
const LISTED: usize = 200;

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        DIFF,
        Access::Key(Permission::DirectoryRead),
        "get_rehearsal: Get what the requests made with a rehearsal token would have changed.",
        get_rehearsal,
    )
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
    Ok(Json(caller.service().db.read_platform(found).await?))
}

async fn compare(view: &PlatformView, row: Model) -> Result<Rehearsal, DbError> {
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
) -> Result<Vec<Difference>, DbError> {
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
    Ok(all?)
}

async fn memberships(view: &PlatformView, row: &Model) -> Result<Vec<Difference>, DbError> {
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
    Ok(all?)
}
