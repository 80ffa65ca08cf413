//! The one decision about people: links are of the provider behind a connection, roles remember that a sign-in gave them, and who a
//! directory removed is remembered.

use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, JsonValue, QueryResult, Statement, Value};
use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Roles that a sign-in gave: of whom a sign-in made, if the policy gives this role by group and nobody gave it by hand. Only connections
/// say groups: the sign-in that made the user was by one, and linked them in the same moment, or a later one is on record for the role.
const ROLES: &str = "UPDATE directory_user SET role_given_by = CASE WHEN role_source = 'local' AND source = 'jit' \
    AND EXISTS (SELECT 1 FROM sso_policy p WHERE p.tenant_id = directory_user.tenant_id \
        AND p.organization_id = directory_user.organization_id \
        AND (CAST(p.group_roles AS TEXT) LIKE '%\"role\":\"' || directory_user.role || '\"%' \
            OR CAST(p.group_roles AS TEXT) LIKE '%\"role\": \"' || directory_user.role || '\"%')) \
    AND (EXISTS (SELECT 1 FROM user_identity i WHERE i.tenant_id = directory_user.tenant_id \
            AND i.organization_id = directory_user.organization_id AND i.user_id = directory_user.id \
            AND i.issuer LIKE 'connection:%' AND i.created_at = directory_user.created_at) \
        OR {id} IN (SELECT a.target_id FROM audit_event a WHERE a.action = 'user.role' AND a.actor_kind = 'anonymous')) \
    AND {id} NOT IN (SELECT a.target_id FROM audit_event a WHERE a.action = 'user.role' AND a.actor_kind <> 'anonymous') \
    THEN 'sign_in' ELSE role_source END \
    WHERE role_source <> 'local' OR source = 'jit'";

/// Whom a directory keeps, it switched off.
const OFF: &str =
    "UPDATE directory_user SET deactivated_by = 'directory' WHERE source = 'scim' AND NOT active";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261127_000001_people.sql")).await?;
        postgres::protect(manager, "tenant_id", &["directory_departed"]).await?;
        // An id as an audit record spells it.
        let id = match manager.get_database_backend() {
            DbBackend::Postgres => "CAST(directory_user.id AS TEXT)".to_owned(),
            _ => {
                let hex = "lower(hex(directory_user.id))";
                let part = |from: u8, length: u8| format!("substr({hex}, {from}, {length})");
                [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ")
            }
        };
        postgres::as_platform(manager, &[ROLES.replace("{id}", &id), OFF.to_owned()]).await?;
        run(
            manager,
            "ALTER TABLE directory_user DROP COLUMN role_source;\n\
             ALTER TABLE directory_user RENAME COLUMN role_given_by TO role_source;",
        )
        .await?;
        postgres::begin_as_platform(manager).await?;
        for row in query(
            manager,
            "SELECT tenant_id, id, type, issuer, settings, version, updated_at FROM connection",
            Vec::new(),
        )
        .await?
        {
            connection(manager, &row).await?;
        }
        postgres::end_as_platform(manager).await
    }
}

fn statement(manager: &SchemaManager<'_>, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(manager.get_database_backend(), sql, values)
}

async fn query(
    manager: &SchemaManager<'_>,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, DbErr> {
    manager.get_connection().query_all_raw(statement(manager, sql, values)).await
}

/// A connection's client id in a column of its own, and its links under the provider that made them. A link from before the connection
/// was changed last may be of another provider: it stays as it is, and whose it is proves it at their next sign-in.
async fn connection(manager: &SchemaManager<'_>, row: &QueryResult) -> Result<(), DbErr> {
    let id: Uuid = row.try_get("", "id")?;
    let tenant: Uuid = row.try_get("", "tenant_id")?;
    let settings: JsonValue = row.try_get("", "settings")?;
    let db = manager.get_connection();
    if let Some(client) = settings.get("clientId").and_then(JsonValue::as_str) {
        let sql = "UPDATE connection SET client_id = $1 WHERE tenant_id = $2 AND id = $3";
        db.execute_raw(statement(manager, sql, vec![client.into(), tenant.into(), id.into()])).await?;
    }
    // A test from before a change proves nothing of the provider that it is of now.
    let sql = "UPDATE connection SET claimed_at = CASE WHEN version = 1 THEN created_at ELSE updated_at END, \
               proven_at = CASE WHEN tested_at >= updated_at OR version = 1 THEN tested_at END WHERE tenant_id = $1 AND id = $3 AND $2 = $2";
    let values = vec![tenant.into(), format!("connection:{id}").into(), id.into()];
    db.execute_raw(statement(manager, sql, values)).await?;
    let Some(issuer) = row.try_get::<Option<String>>("", "issuer")? else { return Ok(()) };
    let version: i64 = row.try_get("", "version")?;
    let updated: sea_orm::prelude::DateTimeUtc = row.try_get("", "updated_at")?;
    let before = format!("connection:{id}");
    let sql = "UPDATE user_identity SET issuer = $1 WHERE tenant_id = $2 AND issuer = $3 AND (created_at >= $4 OR last_seen_at >= $4 OR $5 = 1)";
    let values = vec![
        format!("{before} {issuer}").into(),
        tenant.into(),
        before.into(),
        updated.into(),
        version.into(),
    ];
    db.execute_raw(statement(manager, sql, values)).await.map(drop)
}
