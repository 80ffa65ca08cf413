//! Schema changes: each and its record in one transaction, on both stores; an empty store gets all of them in one, which the disk syncs
//! once.
//!
//! An older binary wrote the statements of a change one by one on SQLite; killed between two of them it left a store that never
//! started again. Such a store is recognised by a change that isn't recorded and can't be made because its tables are there. If
//! no data is in it (it was a first start) everything is removed and made anew, in the same transaction; else it is refused.

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait as _, Value,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait as _, SchemaManager};

use super::open;
use crate::DbError;
use crate::config::Database;

/// Two processes must not migrate at once: the key of Postgres' advisory lock ("tenantry" in ASCII).
const MIGRATION_LOCK: i64 = 0x7465_6e61_6e74_7279;

/// Brings the schema of the store at `url` up to date and answers the names of what was applied.
pub(crate) async fn migrate(config: &Database, url: &str) -> Result<Vec<String>, DbError> {
    if url.starts_with("sqlite:") {
        let pool = open::sqlite_owner(url).await?;
        let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
        let applied = all(&connection, DbBackend::Sqlite).await;
        connection.close().await?;
        return applied;
    }
    let owner = if config.migration_url.is_empty() { url } else { config.migration_url.as_str() };
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(open::postgres_owner(owner).await?);
    connection.execute_unprepared(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    let applied = all(&connection, DbBackend::Postgres).await;
    connection.close().await?;
    applied
}

async fn all(connection: &DatabaseConnection, backend: DbBackend) -> Result<Vec<String>, DbError> {
    match first_or_next(connection, backend).await {
        Err(Failed::HalfWay(change)) => anew(connection, backend, &change).await,
        found => Ok(found?),
    }
}

async fn first_or_next(connection: &DatabaseConnection, backend: DbBackend) -> Result<Vec<String>, Failed> {
    if let Some(applied) = first(connection, backend).await? {
        return Ok(applied);
    }
    let mut applied = Vec::new();
    for change in migration::Migrator::migrations() {
        let change = change.as_ref();
        match one(connection, backend, change).await {
            Ok(true) => applied.push(change.name().to_owned()),
            Ok(false) => {}
            Err(error) => return Err(Failed::after(&applied, change, error)),
        }
    }
    Ok(applied)
}

/// Why the schema can't be brought up to date.
enum Failed {
    /// This change, the first to be applied, met what it would have made itself.
    HalfWay(String),
    Other(DbErr),
}

impl Failed {
    /// What `error` of a change means after those that were `applied`: a later one that meets a table of its own name met somebody else's.
    fn after(applied: &[String], change: &dyn MigrationTrait, error: DbErr) -> Self {
        let text = error.to_string();
        if applied.is_empty() && (text.contains("already exists") || text.contains("duplicate column name")) {
            Self::HalfWay(change.name().to_owned())
        } else {
            Self::Other(error)
        }
    }
}

impl From<Failed> for DbError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::HalfWay(change) => Self::HalfMigrated { change },
            Failed::Other(error) => error.into(),
        }
    }
}

impl From<DbErr> for Failed {
    fn from(error: DbErr) -> Self {
        Self::Other(error)
    }
}

/// Applies all changes in one transaction where none is recorded. `None`: some are.
async fn first(connection: &DatabaseConnection, backend: DbBackend) -> Result<Option<Vec<String>>, Failed> {
    let transaction = begin(connection, backend).await?;
    install(&transaction, backend).await?;
    let any = Statement::from_string(backend, "SELECT version FROM seaql_migrations LIMIT 1");
    if transaction.query_one_raw(any).await?.is_some() {
        transaction.rollback().await?;
        return Ok(None);
    }
    let applied = apply_all(&transaction, backend).await?;
    transaction.commit().await?;
    Ok(Some(applied))
}

async fn apply_all(transaction: &DatabaseTransaction, backend: DbBackend) -> Result<Vec<String>, Failed> {
    let mut applied = Vec::new();
    for change in migration::Migrator::migrations() {
        let change = change.as_ref();
        apply(transaction, backend, change).await.map_err(|error| Failed::after(&applied, change, error))?;
        applied.push(change.name().to_owned());
    }
    Ok(applied)
}

async fn begin(connection: &DatabaseConnection, backend: DbBackend) -> Result<DatabaseTransaction, DbErr> {
    let mode = (backend == DbBackend::Sqlite).then_some(SqliteTransactionMode::Immediate);
    connection
        .begin_with_options(TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() })
        .await
}

/// Applies a change unless it is recorded; asked inside the transaction, for another process may be faster.
async fn one(
    connection: &DatabaseConnection,
    backend: DbBackend,
    change: &dyn MigrationTrait,
) -> Result<bool, DbErr> {
    let transaction = begin(connection, backend).await?;
    install(&transaction, backend).await?;
    let sql = "SELECT version FROM seaql_migrations WHERE version = $1";
    let known = Statement::from_sql_and_values(backend, sql, [change.name().into()]);
    if transaction.query_one_raw(known).await?.is_some() {
        transaction.rollback().await?;
        return Ok(false);
    }
    apply(&transaction, backend, change).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Makes the table of records, in the transaction of the first change: the rights to it are that change's.
async fn install(transaction: &DatabaseTransaction, backend: DbBackend) -> Result<(), DbErr> {
    let sql = if backend == DbBackend::Postgres {
        "SELECT 1 AS there WHERE to_regclass('seaql_migrations') IS NOT NULL"
    } else {
        "SELECT 1 AS there FROM sqlite_schema WHERE type = 'table' AND name = 'seaql_migrations'"
    };
    if transaction.query_one_raw(Statement::from_string(backend, sql)).await?.is_none() {
        migration::Migrator::install(transaction).await?;
    }
    Ok(())
}

async fn apply(
    transaction: &DatabaseTransaction,
    backend: DbBackend,
    change: &dyn MigrationTrait,
) -> Result<(), DbErr> {
    change.up(&SchemaManager::new(transaction)).await?;
    crate::crash_point!("migrate.applied");
    let sql = if backend == DbBackend::Postgres {
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, extract(epoch FROM now())::bigint)"
    } else {
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, unixepoch())"
    };
    let values: [Value; 1] = [change.name().into()];
    transaction.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(())
}

/// Empties a store that a first start left half-made and makes it anew, all in one transaction.
async fn anew(
    connection: &DatabaseConnection,
    backend: DbBackend,
    half_way: &str,
) -> Result<Vec<String>, DbError> {
    let refusal = || DbError::HalfMigrated { change: half_way.to_owned() };
    if backend == DbBackend::Postgres {
        // Changes have always been transactions there: somebody else's tables are in the way.
        return Err(refusal());
    }
    // A table that goes takes its rows' references with it only where nobody looks after them.
    connection.execute_unprepared("PRAGMA foreign_keys = OFF").await?;
    let transaction = begin(connection, backend).await?;
    if holds_data(&transaction).await? {
        transaction.rollback().await?;
        return Err(refusal());
    }
    let sql =
        "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite_%'";
    for row in transaction.query_all_raw(Statement::from_string(backend, sql)).await? {
        let (kind, name): (String, String) = (row.try_get("", "type")?, row.try_get("", "name")?);
        if name != "seaql_migrations" {
            transaction.execute_unprepared(&format!("DROP {kind} \"{name}\"")).await?;
        }
    }
    transaction.execute_unprepared("DELETE FROM seaql_migrations").await?;
    let applied = apply_all(&transaction, backend).await?;
    transaction.commit().await?;
    connection.execute_unprepared("PRAGMA foreign_keys = ON").await?;
    tracing::warn!(
        change = half_way,
        "the remains of an interrupted first start were removed, and the store was created anew"
    );
    Ok(applied)
}

/// Tables that the changes themselves put rows into.
const FILLED: [&str; 5] = ["seaql_migrations", "plan", "instance", "outbox_state", "store_state"];

/// Whether there is a row that no change has put there: somebody was served from the store, or it isn't ours.
async fn holds_data(transaction: &DatabaseTransaction) -> Result<bool, DbErr> {
    let ask = |sql: String| transaction.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql));
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    for row in ask(tables.to_owned()).await? {
        let table: String = row.try_get("", "name")?;
        let any = format!("SELECT 1 AS there FROM \"{table}\" LIMIT 1");
        if !FILLED.contains(&table.as_str()) && !ask(any).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
