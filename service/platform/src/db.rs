//! The store, opened. The only file that knows whether it is SQLite or Postgres.
//!
//! SQLite: one writer (a pool of one, `BEGIN IMMEDIATE`), several readers, write-ahead log, `synchronous=FULL`: an
//! acknowledged write survives a crash. Postgres: one pool whose connections have put on `tenantry_app`.

use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait, Value,
};
use sea_orm_migration::MigratorTrait;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Database;
use crate::error::DbError;
use crate::sql::Sql;

/// SQLite readers beside the one writer.
const SQLITE_READERS: u32 = 4;
/// How long SQLite waits for another process's lock.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Two processes must not migrate at once: the key of Postgres' advisory lock ("tenantry" in ASCII).
const MIGRATION_LOCK: i64 = 0x7465_6e61_6e74_7279;

/// What a transaction may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Tenant(Uuid),
    Platform,
}

/// Which tenant something belongs to, asked before a tenant is known. Answered by narrow `SECURITY DEFINER` functions
/// on Postgres, which tell the tenant's id and nothing else.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// A tenant by its slug.
    TenantSlug(&'a str),
    /// A tenant by its id at the identity backend.
    TenantExternalId(&'a str),
    /// A tenant by the issuer of its own realm.
    TenantIssuer(&'a str),
    /// A tenant by the alias of its identity provider at a shared realm.
    TenantIdpAlias(&'a str),
    /// A tenant by its customer's id at the payment provider.
    TenantCustomer(&'a str),
    /// A reservation of a quota by its id.
    Reservation(Uuid),
    /// An organization's SCIM token by its id.
    ScimToken(Uuid),
    /// A refresh token by the digest of its text.
    RefreshToken(&'a [u8]),
    /// An invitation by the digest of its token.
    Invitation(&'a [u8]),
    /// A connection to an identity provider by its id.
    Connection(Uuid),
    /// An e-mail domain that a tenant has proven to be its own.
    Domain(&'a str),
    /// A browser's session by the digest of its cookie.
    BrowserSession(&'a [u8]),
    /// An authorization code by its digest.
    AuthorizationCode(&'a [u8]),
}

impl Lookup<'_> {
    fn parts(self) -> (&'static str, &'static str, &'static str, &'static str, Value) {
        let live = " AND status <> 'deleted'";
        match self {
            Lookup::TenantSlug(slug) => ("tenant", "slug", "id", live, slug.into()),
            Lookup::TenantExternalId(id) => ("tenant", "identity_external_id", "id", live, id.into()),
            Lookup::TenantIssuer(issuer) => ("tenant", "identity_issuer", "id", live, issuer.into()),
            Lookup::TenantIdpAlias(alias) => ("tenant", "identity_idp_alias", "id", live, alias.into()),
            Lookup::TenantCustomer(id) => ("tenant", "billing_customer", "id", live, id.into()),
            Lookup::Reservation(id) => ("quota_reservation", "id", "tenant_id", "", id.into()),
            Lookup::ScimToken(id) => ("scim_token", "id", "tenant_id", "", id.into()),
            Lookup::RefreshToken(digest) => {
                ("refresh_token", "digest", "tenant_id", "", digest.to_vec().into())
            }
            Lookup::Invitation(digest) => {
                ("invitation", "token_digest", "tenant_id", "", digest.to_vec().into())
            }
            Lookup::Connection(id) => ("connection", "id", "tenant_id", "", id.into()),
            Lookup::Domain(name) => ("domain", "verified_name", "tenant_id", "", name.into()),
            Lookup::BrowserSession(digest) => {
                ("browser_session", "digest", "tenant_id", "", digest.to_vec().into())
            }
            Lookup::AuthorizationCode(digest) => {
                ("authorization_code", "digest", "tenant_id", "", digest.to_vec().into())
            }
        }
    }
}

/// The opened store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    backend: DbBackend,
    clock: Clock,
    jobs: Notify,
    events: Notify,
    told: watch::Sender<Option<i64>>,
    listeners: RwLock<Vec<Arc<dyn Listener>>>,
}

/// Somebody in this process who hears of events at once, before they are told to subscribers: caches. Those of other replicas it hears
/// when they are told.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// Something of this kind happened to this tenant, and is committed.
    fn hear(&self, kind: &str, tenant: Option<Uuid>);
}

impl Db {
    /// Opens the store that `config` names, without migrating it.
    ///
    /// # Errors
    /// [`DbError`] if it can't be reached or opened.
    pub async fn open(config: &Database, data_dir: &Path, clock: Clock) -> Result<Self, DbError> {
        let url = config.url_or_default(data_dir);
        let (writer, reader, backend) = if url.starts_with("sqlite:") {
            let (writer, reader) = open_sqlite(&url).await?;
            (writer, reader, DbBackend::Sqlite)
        } else {
            let pool = open_postgres(&url, config.connections_max, true).await?;
            (pool.clone(), pool, DbBackend::Postgres)
        };
        let (jobs, events, told) = (Notify::new(), Notify::new(), watch::Sender::new(None));
        let listeners = RwLock::default();
        let inner = Inner { writer, reader, backend, clock, jobs, events, told, listeners };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The clock that this store's transactions read.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Rung after a commit that enqueued a job.
    pub fn jobs_ready(&self) -> &Notify {
        &self.inner.jobs
    }

    /// Rung after a commit that emitted an event.
    pub fn events_ready(&self) -> &Notify {
        &self.inner.events
    }

    /// Hears of events from now on.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        self.inner.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    pub(crate) fn hear(&self, kind: &str, tenant: Option<Uuid>) {
        for listener in self.inner.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener.hear(kind, tenant);
        }
    }

    /// The sequence of the last event that was told, as far as this process knows; `None` before the first look.
    pub fn told(&self) -> Option<i64> {
        *self.inner.told.borrow()
    }

    /// Changes whenever events were told, by whichever replica.
    pub fn on_told(&self) -> watch::Receiver<Option<i64>> {
        self.inner.told.subscribe()
    }

    pub(crate) fn set_told(&self, sequence: i64) {
        self.inner.told.send_if_modified(|told| told.replace(sequence) != Some(sequence));
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        if self.is_postgres() { "postgres" } else { "sqlite" }
    }

    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// [`DbError::Busy`] or [`DbError::Sql`] if there is none.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.inner.reader.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// Names of migrations that the store has not seen.
    ///
    /// # Errors
    /// [`DbError`] if the store can't be read.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, DbError> {
        // Asked by hand: the migrator would make its table, which the app role may not.
        let seen =
            self.inner.reader.query_all_raw(self.statement("SELECT version FROM seaql_migrations", [])).await;
        let all = migration::Migrator::migrations().into_iter().map(|one| one.name().to_owned());
        let rows = match seen {
            Ok(rows) => rows,
            Err(error) if is_missing_table(&error) => return Ok(all.collect()),
            Err(error) => return Err(error.into()),
        };
        let seen: Vec<String> =
            rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?;
        Ok(all.filter(|name| !seen.contains(name)).collect())
    }

    /// Closes the pools; open transactions finish first.
    pub async fn close(&self) {
        let _ = self.inner.reader.clone().close().await;
        let _ = self.inner.writer.clone().close().await;
    }

    /// The tenant that owns something, or `None`.
    ///
    /// # Errors
    /// [`DbError`] if the store fails.
    pub async fn tenant_of(&self, lookup: Lookup<'_>) -> Result<Option<Uuid>, DbError> {
        let (table, key, tenant, live, value) = lookup.parts();
        let sql = if self.is_postgres() {
            format!("SELECT lookup_{table}_{key}($1) AS tenant_id")
        } else {
            format!("SELECT {tenant} AS tenant_id FROM {table} WHERE {key} = $1{live}")
        };
        let row = self.inner.reader.query_one_raw(self.statement(sql, [value])).await?;
        Ok(row.and_then(|row| row.try_get::<Option<Uuid>>("", "tenant_id").transpose()).transpose()?)
    }

    /// Appended to a sub-select that claims rows, so that two workers never wait for each other.
    pub(crate) fn skip_locked(&self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" }
    }

    pub(crate) fn statement(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = Value>,
    ) -> Statement {
        Statement::from_sql_and_values(self.inner.backend, sql, values)
    }

    pub(crate) async fn begin(&self, scope: Scope, writes: bool) -> Result<DatabaseTransaction, DbError> {
        let connection = if writes { &self.inner.writer } else { &self.inner.reader };
        if !self.is_postgres() {
            let mode =
                if writes { SqliteTransactionMode::Immediate } else { SqliteTransactionMode::Deferred };
            let options = TransactionOptions { sqlite_transaction_mode: Some(mode), ..Default::default() };
            return Ok(connection.begin_with_options(options).await?);
        }
        let transaction = connection.begin().await?;
        // One round trip for both settings; LOCAL, so that nothing of it survives in the pool.
        let access = if writes { "" } else { "SET TRANSACTION READ ONLY; " };
        let scope = match scope {
            Scope::Tenant(tenant) => format!("{access}SET LOCAL app.tenant_id = '{tenant}'"),
            Scope::Platform => format!("{access}SET LOCAL ROLE {}", migration::postgres::PLATFORM_ROLE),
        };
        transaction.execute_unprepared(&scope).await?;
        Ok(transaction)
    }

    /// Lets the rest of the transaction act for the platform.
    pub(crate) async fn as_platform(&self, transaction: &DatabaseTransaction) -> Result<(), DbError> {
        if self.is_postgres() {
            let role = migration::postgres::PLATFORM_ROLE;
            transaction.execute_unprepared(&format!("SET LOCAL ROLE {role}")).await?;
        }
        Ok(())
    }

    /// What the stores spell differently.
    pub fn sql(&self) -> Sql {
        Sql::new(self.is_postgres())
    }

    fn is_postgres(&self) -> bool {
        self.inner.backend == DbBackend::Postgres
    }

    /// A membership test against a list of ids, as one parameter on Postgres and as one JSON text on SQLite: the
    /// statement's text stays the same however long the list is.
    pub(crate) fn id_list(&self, ids: &[Uuid], placeholder: &str) -> (String, Value) {
        if self.is_postgres() {
            let values = ids.iter().map(|id| Value::from(*id)).collect();
            (format!("= ANY({placeholder})"), Value::Array(ArrayType::Uuid, Some(Box::new(values))))
        } else {
            let list: Vec<String> = ids.iter().map(|id| id.simple().to_string().to_uppercase()).collect();
            let json = serde_json::to_string(&list).unwrap_or_default();
            (format!("IN (SELECT unhex(value) FROM json_each({placeholder}))"), json.into())
        }
    }
}

/// Brings the schema of the store that `config` names up to date. On Postgres it connects as `migration_url` where that
/// is set, else as `url`, and keeps its own role: the owner.
///
/// # Errors
/// [`DbError`] if the store can't be reached or a change fails.
pub async fn migrate(config: &Database, data_dir: &Path) -> Result<Vec<String>, DbError> {
    let url = config.url_or_default(data_dir);
    if url.starts_with("sqlite:") {
        let (writer, reader) = open_sqlite(&url).await?;
        let applied = up(&writer).await;
        reader.close().await?;
        writer.close().await?;
        return applied;
    }
    let owner = if config.migration_url.is_empty() { url } else { config.migration_url.clone() };
    let pool = open_postgres(&owner, 1, false).await?;
    pool.execute_unprepared(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    let applied = up(&pool).await;
    pool.close().await?;
    applied
}

async fn up(connection: &DatabaseConnection) -> Result<Vec<String>, DbError> {
    let pending = migration::Migrator::get_pending_migrations(connection).await?;
    let names = pending.iter().map(|one| one.name().to_owned()).collect::<Vec<_>>();
    if !names.is_empty() {
        migration::Migrator::up(connection, None).await?;
    }
    Ok(names)
}

/// Whether the store has never been migrated.
fn is_missing_table(error: &sea_orm::DbErr) -> bool {
    let text = error.to_string();
    text.contains("no such table") || text.contains("does not exist")
}

async fn open_sqlite(url: &str) -> Result<(DatabaseConnection, DatabaseConnection), DbError> {
    let failed = |error: sqlx::Error| {
        DbError::from(sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into())))
    };
    let options = SqliteConnectOptions::from_str(url)
        .map_err(failed)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .pragma("trusted_schema", "off")
        .pragma("temp_store", "memory");
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let reader = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options.create_if_missing(false).read_only(true))
        .await
        .map_err(failed)?;
    Ok((
        SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
        SqlxSqliteConnector::from_sqlx_sqlite_pool(reader),
    ))
}

async fn open_postgres(url: &str, connections_max: u32, as_app: bool) -> Result<DatabaseConnection, DbError> {
    let failed = |error: sqlx::Error| {
        DbError::from(sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into())))
    };
    let options = PgConnectOptions::from_str(url).map_err(failed)?.application_name("tenantry");
    let pool = PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if as_app {
                    // Before the first migration the role isn't there; a connection without it sees nothing useful.
                    let sql = format!("SET ROLE {}", migration::postgres::APP_ROLE);
                    sqlx::Executor::execute(connection, sqlx::AssertSqlSafe(sql)).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(failed)?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}
