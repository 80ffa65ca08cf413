//! Opens the pools.
//!
//! SQLite: one writer (`BEGIN IMMEDIATE`), several readers, one connection that holds the files, write-ahead log, `synchronous=FULL`: an
//! acknowledged write survives a crash. Postgres: one pool whose connections have put on `tenantry_app`.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool, Row as _, SqlitePool};
use tokio::time::timeout;

use super::connection::opening;
use super::crash;
use super::health::Watch;
use super::leftover;
use super::opener::{Opener, Purpose};
use super::place::Anchor;
use super::pool::{ACQUIRE_TIMEOUT, Plan, Pool};
use crate::DbError;
use crate::config::Database;

/// SQLite readers beside the one writer.
pub(crate) const SQLITE_READERS: u32 = 6;
/// How long SQLite waits for another process's lock.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a Postgres server may take to answer at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How the file of `url` is opened, whoever opens it. None is made beside what is left of another.
pub(crate) fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, DbError> {
    let options = SqliteConnectOptions::from_str(url).map_err(opening)?;
    leftover::check(options.get_filename()).map_err(|leftover| opening(leftover.into()))?;
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .pragma("trusted_schema", "off")
        .pragma("temp_store", "memory"))
}

/// A pool of one for whoever changes the schema of the file at `url`.
pub(crate) async fn sqlite_owner(url: &str) -> Result<SqlitePool, DbError> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(sqlite_options(url)?)
        .await
        .map_err(opening)
}

/// The embedded store, opened.
pub(crate) struct Embedded {
    pub(crate) writer: Pool,
    pub(crate) readers: Pool,
    pub(crate) files: Files,
    pub(crate) watch: Arc<Watch>,
}

/// What holds the embedded store's files, and what opens them for those who share no pool.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) anchor: Anchor,
    pub(crate) opener: Opener,
}

/// The writer and the readers, of whom each opens the file that the anchor has opened, and no other. A statement of a reader has
/// `statement_timeout`.
pub(crate) async fn sqlite(url: &str, statement_timeout: Duration) -> Result<Embedded, DbError> {
    crash::notice();
    let options = sqlite_options(url)?;
    let (anchor, place) = Anchor::drop_at(&options).await.map_err(opening)?;
    let watch = Arc::new(Watch::over(place));
    let opener = Opener::new(options, watch.clone());
    let pool = async |purpose, count, statement_timeout| {
        let plan = Plan { opener: opener.clone(), purpose, count, statement_timeout };
        Pool::open(plan).await.map_err(opening)
    };
    // A write has no time of its own: it ends with whoever waits for it.
    let writer = pool(Purpose::Write, 1, Duration::ZERO).await?;
    let readers = pool(Purpose::Read, SQLITE_READERS, statement_timeout).await?;
    Ok(Embedded { writer, readers, files: Files { anchor, opener }, watch })
}

/// How long a transaction may do nothing, in milliseconds: the process that began it is frozen or gone, and others wait.
const IDLE_MAX_MS: u128 = 10_000;

/// Bounds that the server keeps for each connection: a statement ends with the request that asked for it. And a commit is answered when it
/// is on the disk, whatever the server's default: what was acknowledged isn't lost.
fn session(config: &Database) -> String {
    let (lock, statement) = (config.lock_timeout.as_millis(), config.statement_timeout.as_millis());
    // 0 switches a bound off, for Postgres; that of idle transactions stays.
    let idle = if statement == 0 { IDLE_MAX_MS } else { statement.min(IDLE_MAX_MS) };
    format!(
        "SET lock_timeout = {lock}; SET statement_timeout = {statement}; \
         SET idle_in_transaction_session_timeout = {idle}; SET client_connection_check_interval = 1000; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
         SET ROLE {}",
        migration::postgres::APP_ROLE
    )
}

/// The pool of the service.
pub(crate) async fn postgres(config: &Database) -> Result<PgPool, DbError> {
    let options = postgres_options(&config.url)?;
    ask_first(&options).await?;
    let session = session(config);
    PgPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let session = session.clone();
            Box::pin(async move {
                sqlx::Executor::execute(connection, sqlx::raw_sql(sqlx::AssertSqlSafe(session))).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(opening)
}

/// A pool of one for the owner of the schema, who keeps its own role and has no time limit.
pub(crate) async fn postgres_owner(url: &str) -> Result<PgPool, DbError> {
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
    options.connect_with(postgres_options(url)?).await.map_err(opening)
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, DbError> {
    Ok(PgConnectOptions::from_str(url).map_err(opening)?.application_name("tenantry"))
}

/// Asks the server once before a pool would go on trying: whether it answers, and whether it was ever prepared.
async fn ask_first(options: &PgConnectOptions) -> Result<(), DbError> {
    let silent = || opening(sqlx::Error::PoolTimedOut);
    let connecting = timeout(CONNECT_TIMEOUT, options.connect()).await.map_err(|_| silent())?;
    let mut connection: PgConnection = connecting.map_err(opening)?;
    let sql = "SELECT count(*) FROM pg_roles WHERE rolname = $1";
    let asking = sqlx::query(sql).bind(migration::postgres::APP_ROLE).fetch_one(&mut connection);
    let row = timeout(CONNECT_TIMEOUT, asking).await.map_err(|_| silent())?.map_err(opening)?;
    let _ = connection.close().await;
    match row.try_get::<i64, _>(0) {
        Ok(0) => Err(DbError::Unprepared),
        Ok(_) => Ok(()),
        Err(error) => Err(opening(error)),
    }
}
