//! Queries over dry runs: the copy of a directory, and what is different in it.

use std::fmt::Write as _;

use entity::scim::dry_run::Model;
use platform::{CrossTenantStatement, DbError, PlatformTx, PlatformView};
use uuid::Uuid;

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

/// One statement a table: the copy is of one moment, and made inside the store.
pub(crate) async fn copy(tx: &PlatformTx, row: &Model) -> Result<(), DbError> {
    let columns = "name, plan, isolation, region, identity_backend, identity_kind, instance_driver, instance_mode, version, \
                   created_at, updated_at";
    let insert = CrossTenantStatement::built(format!(
        "INSERT INTO tenant (id, slug, status, deleted_at, rehearses, {columns}) \
         SELECT $1, $3, 'deleted', $4, id, {columns} FROM tenant WHERE id = $2"
    ));
    let slug = format!("dry-run-{}", row.shadow_id.simple());
    let values = vec![row.shadow_id.into(), row.tenant_id.into(), slug.into(), tx.now().into()];
    tx.execute(&insert, values).await?;
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
        tx.execute(&CrossTenantStatement::built(sql), values).await?;
    }
    Ok(())
}

/// Removes a copy.
pub(crate) async fn discard(tx: &PlatformTx, shadow: Uuid) -> Result<(), DbError> {
    const TENANT: CrossTenantStatement =
        CrossTenantStatement::new("DELETE FROM tenant WHERE id = $1 AND rehearses IS NOT NULL");
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
        let remove = CrossTenantStatement::built(format!("DELETE FROM {table} WHERE tenant_id = $1"));
        tx.execute(&remove, vec![shadow.into()]).await?;
    }
    tx.execute(&TENANT, vec![shadow.into()]).await.map(drop)
}

/// A user or group that is different in the copy.
pub(crate) struct Difference {
    /// `user` or `group`.
    pub(crate) kind: &'static str,
    /// What would have happened to it.
    pub(crate) action: String,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Of `members`: how many would have been added.
    pub(crate) added: Option<i64>,
    /// Of `members`: how many would have been removed.
    pub(crate) removed: Option<i64>,
}

/// Users that differ.
pub(crate) async fn users(view: &PlatformView, row: &Model) -> Result<Vec<Difference>, DbError> {
    let changed = "CASE WHEN a.active AND NOT b.active THEN 'deactivated' WHEN b.active AND NOT a.active THEN 'reactivated' ELSE 'changed' END";
    resources(view, row, ("user", "directory_user", "user_name"), changed).await
}

/// Groups that differ, but for their members.
pub(crate) async fn groups(view: &PlatformView, row: &Model) -> Result<Vec<Difference>, DbError> {
    resources(view, row, ("group", "directory_group", "display_name"), "'changed'").await
}

/// Rows that only the copy has, only the directory has, or that differ. `a` is the directory, `b` the copy.
async fn resources(
    view: &PlatformView,
    row: &Model,
    (kind, table, name): (&'static str, &str, &str),
    changed: &str,
) -> Result<Vec<Difference>, DbError> {
    let both = "b.organization_id = a.organization_id AND b.id = a.id";
    let of =
        |alias: &str, tenant: &str| format!("{alias}.tenant_id = {tenant} AND {alias}.organization_id = $3");
    let (real, copy) = (of("a", "$1"), of("b", "$2"));
    let active = if kind == "user" { " OR a.active <> b.active" } else { "" };
    let differing = CrossTenantStatement::built(format!(
        "SELECT {changed} AS action, b.id, b.{name} AS name FROM {table} a JOIN {table} b ON {both} AND {copy} \
         WHERE {real} AND (a.resource <> b.resource{active}) \
         UNION ALL SELECT 'created', b.id, b.{name} FROM {table} b WHERE {copy} \
         AND NOT EXISTS (SELECT 1 FROM {table} a WHERE {real} AND {both}) \
         UNION ALL SELECT 'deleted', a.id, a.{name} FROM {table} a WHERE {real} \
         AND NOT EXISTS (SELECT 1 FROM {table} b WHERE {copy} AND {both})"
    ));
    let values = vec![row.tenant_id.into(), row.shadow_id.into(), row.organization_id.into()];
    let rows = view.query(&differing, values).await?;
    let read = |row: &sea_orm::QueryResult| -> Result<Difference, sea_orm::DbErr> {
        Ok(Difference {
            kind,
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

/// Groups whose members differ.
pub(crate) async fn memberships(view: &PlatformView, row: &Model) -> Result<Vec<Difference>, DbError> {
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
    let differing = CrossTenantStatement::built(format!(
        "SELECT d.group_id AS id, g.display_name AS name, SUM(d.added) AS added, COUNT(*) AS changed \
         FROM ({}) AS d JOIN (SELECT id, MIN(display_name) AS display_name FROM directory_group \
         WHERE (tenant_id = $1 OR tenant_id = $2) AND organization_id = $3 GROUP BY id) AS g ON g.id = d.group_id \
         GROUP BY d.group_id, g.display_name ORDER BY d.group_id",
        parts.join(" UNION ALL ")
    ));
    let values = vec![row.tenant_id.into(), row.shadow_id.into(), row.organization_id.into()];
    let rows = view.query(&differing, values).await?;
    let read = |row: &sea_orm::QueryResult| -> Result<Difference, sea_orm::DbErr> {
        let (added, changed): (i64, i64) = (row.try_get("", "added")?, row.try_get("", "changed")?);
        Ok(Difference {
            kind: "group",
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
