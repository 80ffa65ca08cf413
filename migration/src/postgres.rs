//! Row-level security, roles and pre-tenant look-ups on Postgres; nothing at all on SQLite.
//!
//! Two roles without login stand between the service and its rows. The login role owns the schema or is a member of
//! both; the service does `SET ROLE tenantry_app` on each connection, and `SET LOCAL ROLE tenantry_platform` in
//! those few transactions that are about several tenants. Neither role owns a table or has BYPASSRLS.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

/// Sees and writes the rows of the tenant that the transaction named.
pub const APP_ROLE: &str = "tenantry_app";
/// Sees and writes the rows of all tenants: operators, schedulers, look-ups before a tenant is known.
pub const PLATFORM_ROLE: &str = "tenantry_platform";

/// The tenant that the transaction named. A pooled connection answers `''`, not NULL, for a setting that was local to
/// an earlier transaction; the sub-select makes the planner evaluate it once a query, not once a row.
const SCOPE: &str = "(SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)";

async fn each(manager: &SchemaManager<'_>, statements: Vec<String>) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for statement in statements {
        manager.get_connection().execute_unprepared(&statement).await?;
    }
    Ok(())
}

/// Creates the two roles unless they exist, lets the migrating role become either, and lets both use the schema.
pub(crate) async fn roles(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let create = |role: &str| {
        format!(
            "DO $$ BEGIN CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    };
    each(
        manager,
        vec![
            create(APP_ROLE),
            create(PLATFORM_ROLE),
            format!("GRANT {APP_ROLE}, {PLATFORM_ROLE} TO CURRENT_USER"),
            format!("GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {PLATFORM_ROLE}"),
            format!("GRANT SELECT ON seaql_migrations TO {APP_ROLE}, {PLATFORM_ROLE}"),
        ],
    )
    .await
}

/// Tables without a tenant that both roles read and write: no more, see [`readable_by_tenants`]. Released migrations stay as they are.
pub(crate) async fn share(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    let grant = |table: &&str| {
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON \"{table}\" TO {APP_ROLE}, {PLATFORM_ROLE}")
    };
    let statements: Vec<String> = tables.iter().map(grant).collect();
    each(manager, statements).await
}

/// Takes what [`share`] gave: the platform role alone writes these tables.
pub(crate) async fn unshare(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    let revoke = |table: &&str| format!("REVOKE ALL ON \"{table}\" FROM {APP_ROLE}");
    each(manager, tables.iter().map(revoke).collect()).await?;
    platform_only(manager, tables).await
}

/// Tables of the platform that a tenant's transaction reads: no row of them is secret.
pub(crate) async fn readable_by_tenants(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    let grant = |table: &&str| {
        [
            format!("CREATE POLICY tenants_read ON \"{table}\" FOR SELECT TO {APP_ROLE} USING (true)"),
            format!("GRANT SELECT ON \"{table}\" TO {APP_ROLE}"),
        ]
    };
    each(manager, tables.iter().flat_map(grant).collect()).await
}

/// The record of schema changes: the owner writes it, whoever that is at the time; the grants say that the roles only read.
pub(crate) async fn versions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = "seaql_migrations";
    let statements = [
        format!("CREATE POLICY versions ON {table} USING (true) WITH CHECK (true)"),
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
    ];
    each(manager, statements.to_vec()).await
}

/// Tables that only the platform role may touch.
pub(crate) async fn platform_only(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    let protect = |table: &&str| {
        [
            format!("ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE \"{table}\" FORCE ROW LEVEL SECURITY"),
            format!(
                "CREATE POLICY platform ON \"{table}\" TO {PLATFORM_ROLE} USING (true) WITH CHECK (true)"
            ),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON \"{table}\" TO {PLATFORM_ROLE}"),
        ]
    };
    let statements: Vec<String> = tables.iter().flat_map(protect).collect();
    each(manager, statements).await
}

/// Tables of one tenant: `column` must equal the transaction's scope for the app role.
pub(crate) async fn protect(manager: &SchemaManager<'_>, column: &str, tables: &[&str]) -> Result<(), DbErr> {
    platform_only(manager, tables).await?;
    let scope = |table: &&str| {
        [
            format!(
                "CREATE POLICY tenant ON \"{table}\" TO {APP_ROLE} \
                 USING ({column} = {SCOPE}) WITH CHECK ({column} = {SCOPE})"
            ),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON \"{table}\" TO {APP_ROLE}"),
        ]
    };
    let statements: Vec<String> = tables.iter().flat_map(scope).collect();
    each(manager, statements).await
}

/// Tables whose single rows are written over and over: a group by each member's change, a quota by each user. Room on the
/// page lets a new version stay beside the old one, without new entries in the indexes (a HOT update).
pub(crate) async fn churns(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    let room = |table: &&str| {
        format!(
            "ALTER TABLE \"{table}\" SET (fillfactor = 40, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.0)"
        )
    };
    let statements: Vec<String> = tables.iter().map(room).collect();
    each(manager, statements).await
}

/// Runs statements over the rows of all tenants: on Postgres the owner itself sees none of them.
pub(crate) async fn begin_as_platform(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    each(manager, vec![format!("SET ROLE {PLATFORM_ROLE}")]).await
}

/// The owner of the tables again.
pub(crate) async fn end_as_platform(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    each(manager, vec!["RESET ROLE".to_owned()]).await
}

/// Runs statements over the rows of all tenants.
pub(crate) async fn as_platform(manager: &SchemaManager<'_>, statements: &[String]) -> Result<(), DbErr> {
    begin_as_platform(manager).await?;
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    end_as_platform(manager).await
}

/// Tables whose rows nobody changes.
pub(crate) async fn append_only(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    let revoke =
        |table: &&str| format!("REVOKE UPDATE, DELETE ON \"{table}\" FROM {APP_ROLE}, {PLATFORM_ROLE}");
    let statements: Vec<String> = tables.iter().map(revoke).collect();
    each(manager, statements).await
}

/// A narrow function that answers which tenant a secret, slug or external id belongs to, and nothing else.
pub(crate) async fn lookup(
    manager: &SchemaManager<'_>,
    table: &str,
    key: &str,
    key_type: &str,
    tenant: &str,
) -> Result<(), DbErr> {
    let live = live(table);
    let name = format!("lookup_{table}_{key}");
    each(
        manager,
        vec![
            format!(
                "CREATE FUNCTION {name}(wanted {key_type}) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER \
                 SET search_path = public, pg_temp \
                 AS $$ SELECT {tenant} FROM \"{table}\" WHERE {key} = wanted{live} $$"
            ),
            format!("REVOKE ALL ON FUNCTION {name}({key_type}) FROM PUBLIC"),
            // Creating a function for another role needs CREATE on the schema for as long as it takes.
            format!("GRANT CREATE ON SCHEMA public TO {PLATFORM_ROLE}"),
            format!("ALTER FUNCTION {name}({key_type}) OWNER TO {PLATFORM_ROLE}"),
            format!("REVOKE CREATE ON SCHEMA public FROM {PLATFORM_ROLE}"),
            format!("GRANT EXECUTE ON FUNCTION {name}({key_type}) TO {APP_ROLE}"),
        ],
    )
    .await
}

fn live(table: &str) -> &'static str {
    if table == "tenant" { " AND status <> 'deleted'" } else { "" }
}

/// Makes a lookup one that is planned once a connection: a function in SQL with rights of its own is planned at every call.
pub(crate) async fn plan_lookup_once(
    manager: &SchemaManager<'_>,
    table: &str,
    key: &str,
    key_type: &str,
    tenant: &str,
) -> Result<(), DbErr> {
    let (name, live) = (format!("lookup_{table}_{key}"), live(table));
    let replace = format!(
        "CREATE OR REPLACE FUNCTION {name}(wanted {key_type}) RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER \
         SET search_path = public, pg_temp \
         AS $$ BEGIN RETURN (SELECT {tenant} FROM \"{table}\" WHERE {key} = wanted{live}); END $$"
    );
    each(manager, vec![replace]).await
}
