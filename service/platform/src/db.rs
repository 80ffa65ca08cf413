//! The store, opened.

mod across;
mod life;
mod lookup;
mod tenant;

use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError, RwLock};

use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Statement, Value};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Database;
use crate::error::DbError;
use crate::sql::Sql;
use crate::store::connection::{Connection, Connections, Uncommitted};
use crate::store::findings::{Findings, Integrity, Round};
use crate::store::health::Watch;
use crate::store::opener::Opener;
use crate::store::raw::Pools;
use crate::store::shares::{Common, Holder, Line, Permit, Shares};
use crate::store::{migrate, open};

pub use across::PlatformDb;
use life::Pulse;
pub use lookup::Lookup;
pub use tenant::TenantDb;

/// One tenant's connections on Postgres are this part of all, for reading and for writing each; what all tenants share beside is as much.
const TENANT_PART: usize = 4;
/// All tenants together leave this part to the platform and to look-ups.
const TENANTS_LEAVE: usize = 4;
/// The platform's are this part.
const PLATFORM_PART: usize = 2;
/// Places of one tenant at SQLite's writer. A neighbour waits for as many transactions of each busy tenant, a millisecond or so each;
/// fewer would leave the writer to the outbox and to jobs.
const SQLITE_WRITES: usize = 16;
/// Places of the platform there: jobs, the outbox and requests without a tenant stand in one line.
const SQLITE_PLATFORM_WRITES: usize = 4;
/// Readers of SQLite that one tenant may have at once.
const SQLITE_READS: usize = 4;
/// Connections that look-ups before a tenant is known may have at once, on either store: anybody causes them.
const LOOKUPS: usize = 4;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A transaction that has begun, and its holder's permit, which ends with it.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) connection: Connection,
    pub(crate) permit: Permit,
}

/// The opened store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: Connections,
    reader: Connections,
    writes: Shares,
    reads: Shares,
    /// For one statement each, before a tenant is known.
    lookups: Line,
    watch: Arc<Watch>,
    /// Of the embedded store.
    files: Option<open::Files>,
    pulse: Pulse,
    round: tokio::sync::Mutex<Round>,
    backend: DbBackend,
    clock: Clock,
    jobs: Notify,
    events: Notify,
    dispatched: watch::Sender<Option<i64>>,
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
        let (pools, watch, files) = if url.starts_with("sqlite:") {
            let timeout = config.statement_timeout;
            let open::Embedded { writer, readers, files, watch } = open::sqlite(&url, timeout).await?;
            ((Pools::Sqlite(writer), Pools::Sqlite(readers)), watch, Some(files))
        } else {
            let pool = Pools::Postgres(open::postgres(config).await?);
            ((pool.clone(), pool), Arc::new(Watch::over(None)), None)
        };
        let connections = |pools| Connections::new(pools, watch.clone());
        let (writer, reader) = (connections(pools.0), connections(pools.1));
        let (writes, reads) = shares(config, files.is_some());
        let lookups = Line::new(LOOKUPS);
        let (jobs, events, dispatched) = (Notify::new(), Notify::new(), watch::Sender::new(None));
        let backend = if files.is_some() { DbBackend::Sqlite } else { DbBackend::Postgres };
        let round = tokio::sync::Mutex::default();
        let (listeners, pulse) = (RwLock::default(), Pulse::default());
        let inner = Inner {
            writer,
            reader,
            writes,
            reads,
            lookups,
            watch,
            files,
            pulse,
            round,
            backend,
            clock,
            jobs,
            events,
            dispatched,
            listeners,
        };
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
    pub fn last_dispatched(&self) -> Option<i64> {
        *self.inner.dispatched.borrow()
    }

    /// Changes whenever events were told, by whichever replica.
    pub fn on_dispatched(&self) -> watch::Receiver<Option<i64>> {
        self.inner.dispatched.subscribe()
    }

    pub(crate) fn set_dispatched(&self, sequence: i64) {
        self.inner.dispatched.send_if_modified(|dispatched| dispatched.replace(sequence) != Some(sequence));
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        if self.is_postgres() { "postgres" } else { "sqlite" }
    }

    /// What the checks of the pages found so far.
    pub fn integrity(&self) -> Integrity {
        self.findings().integrity()
    }

    pub(crate) fn findings(&self) -> MutexGuard<'_, Findings> {
        self.inner.watch.findings()
    }

    pub(crate) fn round(&self) -> &tokio::sync::Mutex<Round> {
        &self.inner.round
    }

    /// What opens the embedded store's file; `None` on Postgres.
    pub(crate) fn opener(&self) -> Option<&Opener> {
        self.inner.files.as_ref().map(|files| &files.opener)
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.inner.backend
    }

    /// One row of a statement without a tenant and without parameters.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Option<QueryResult>, DbError> {
        self.query_one(self.statement(sql, [])).await
    }

    /// Commits, and tells the watch how it went.
    pub(crate) async fn commit_connection(&self, connection: Connection) -> Result<(), DbError> {
        match connection.commit().await {
            Ok(()) => {
                self.inner.watch.written();
                Ok(())
            }
            Err(Uncommitted::Refused(error)) => Err(error.into()),
            Err(Uncommitted::Doubtful(error)) if self.fence().await => Err(error.into()),
            Err(Uncommitted::Doubtful(error) | Uncommitted::Unknown(error)) => Err(DbError::Unknown(error)),
        }
    }

    /// Closes the pools; open transactions finish first.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        // The writer goes last: it may clear the log away.
        if let Some(open::Files { anchor, .. }) = &self.inner.files {
            anchor.close(self.inner.watch.check_files().await).await;
        }
        self.inner.writer.close().await;
    }

    async fn query_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbError> {
        self.may(Access::Read).await?;
        let _permit = self.inner.lookups.acquire().await?;
        Ok(self.inner.reader.query_one(statement).await?)
    }

    /// The tenant that owns something, or `None`.
    pub async fn tenant_of(&self, lookup: Lookup) -> Result<Option<Uuid>, DbError> {
        let Lookup { table, key, tenant, and, value } = lookup;
        let sql = if self.is_postgres() {
            format!("SELECT lookup_{table}_{key}($1) AS tenant_id")
        } else {
            format!("SELECT {tenant} AS tenant_id FROM {table} WHERE {key} = $1{and}")
        };
        let row = self.query_one(self.statement(sql, [value])).await?;
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

    /// Waits for a permit of `holder` and begins a transaction.
    pub(crate) async fn begin(&self, holder: Holder, access: Access) -> Result<Begun, DbError> {
        let (connections, shares) = match access {
            Access::Read => (&self.inner.reader, &self.inner.reads),
            Access::Write => (&self.inner.writer, &self.inner.writes),
        };
        self.may(access).await?;
        let permit = shares.acquire(holder).await?;
        let beginning = self.beginning(holder, access);
        let connection = connections.begin(&beginning).await?;
        Ok(Begun { connection, permit })
    }

    /// How a transaction begins: on Postgres with its scope in the same round trip, LOCAL, so that nothing of it survives.
    fn beginning(&self, holder: Holder, access: Access) -> std::borrow::Cow<'static, str> {
        match (self.is_postgres(), access) {
            (false, Access::Read) => return "BEGIN".into(),
            (false, Access::Write) => return "BEGIN IMMEDIATE".into(),
            (true, _) => {}
        }
        let begin = if access == Access::Read { "BEGIN READ ONLY" } else { "BEGIN" };
        match holder {
            Holder::Tenant(tenant) => format!("{begin}; SET LOCAL app.tenant_id = '{tenant}'").into(),
            Holder::Platform => {
                format!("{begin}; SET LOCAL ROLE {}", migration::postgres::PLATFORM_ROLE).into()
            }
        }
    }

    /// Lets the rest of the transaction act for the platform.
    pub(crate) async fn as_platform(&self, transaction: &Connection) -> Result<(), DbError> {
        if self.is_postgres() {
            let role = migration::postgres::PLATFORM_ROLE;
            transaction.execute_unprepared(&format!("SET LOCAL ROLE {role}")).await?;
        }
        Ok(())
    }

    /// Lets the rest of the transaction act for its tenant again.
    pub(crate) async fn as_tenant(&self, transaction: &Connection) -> Result<(), DbError> {
        if self.is_postgres() {
            let role = migration::postgres::APP_ROLE;
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

/// Who may have how many connections at once: for writing, and for reading.
fn shares(config: &Database, is_sqlite: bool) -> (Shares, Shares) {
    if is_sqlite {
        let readers = usize::try_from(open::SQLITE_READERS).unwrap_or(1);
        return (Shares::new(SQLITE_WRITES, SQLITE_PLATFORM_WRITES), Shares::new(SQLITE_READS, readers));
    }
    let all = usize::try_from(config.connections_max).unwrap_or(1);
    let common = Common::new(all / TENANT_PART, all - all / TENANTS_LEAVE);
    let part = || Shares::new(all / TENANT_PART, all / PLATFORM_PART).with(&common);
    (part(), part())
}

/// Brings the schema of the store that `config` names up to date. On Postgres it connects as `migration_url` where that
/// is set, else as `url`, and keeps its own role: the owner.
///
/// # Errors
/// [`DbError`] if the store can't be reached or a change fails; [`DbError::HalfMigrated`] if an older binary was interrupted.
pub async fn migrate(config: &Database, data_dir: &Path) -> Result<Vec<String>, DbError> {
    migrate::migrate(config, &config.url_or_default(data_dir)).await
}
