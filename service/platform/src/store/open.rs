//! Opens the pools.
//!
//! SQLite: one writer (a pool of one, `BEGIN IMMEDIATE`), several readers, write-ahead log, `synchronous=FULL`: an
//! acknowledged write survives a crash. Postgres: one pool whose connections have put on `tenantry_app`.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Pool, Postgres, Row as _, Sqlite, SqliteConnection,
};
use tokio::time::timeout;

use super::connection::opening;
use super::crash;
use super::health::Watch;
use super::place::Anchor;
use super::readers::Readers;
use super::writer::Writer;
use crate::DbError;
use crate::config::Database;

/// SQLite readers beside the one writer.
pub(crate) const SQLITE_READERS: u32 = 6;
/// How long SQLite waits for another process's lock.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a transaction waits for a connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a Postgres server may take to answer at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How the file of `url` is opened, whoever opens it.
pub(crate) fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, DbError> {
    Ok(SqliteConnectOptions::from_str(url)
        .map_err(opening)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .pragma("trusted_schema", "off")
        .pragma("temp_store", "memory"))
}

/// A pool of `connections` to the file of `url`.
pub(crate) async fn sqlite_pool(
    options: SqliteConnectOptions,
    connections: u32,
) -> Result<Pool<Sqlite>, DbError> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(opening)
}

/// The embedded store, opened.
pub(crate) struct Embedded {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) anchor: Anchor,
    pub(crate) watch: Arc<Watch>,
}

/// The writer and the readers, of whom each opens the file that the anchor has opened, and no other. A statement of a reader has
/// `statement_timeout`.
pub(crate) async fn sqlite(url: &str, statement_timeout: Duration) -> Result<Embedded, DbError> {
    crash::notice();
    let options = sqlite_options(url)?;
    let (anchor, place) = Anchor::drop_at(&options).await.map_err(opening)?;
    let watch = Arc::new(Watch::over(place));
    let options = options.create_if_missing(false);
    let writer = Writer::open(options.clone(), watch.clone()).await.map_err(opening)?;
    let reading = (options.read_only(true), watch.clone());
    let readers = Readers::open(reading, SQLITE_READERS, statement_timeout).await.map_err(opening)?;
    Ok(Embedded { writer, readers, anchor, watch })
}

/// A reader beside the pool.
pub(crate) async fn sqlite_reader(url: &str) -> Result<SqliteConnection, DbError> {
    let options = sqlite_options(url)?.create_if_missing(false).read_only(true);
    options.connect().await.map_err(opening)
}

/// Commits something small without waiting for the disk.
pub(crate) async fn overwrite_end_of_log(url: &str) -> Result<(), DbError> {
    let options = sqlite_options(url)?.create_if_missing(false).synchronous(SqliteSynchronous::Off);
    let mut connection = options.connect().await.map_err(opening)?;
    let sql = "UPDATE store_state SET fences = fences + 1 WHERE id = 1";
    let written = sqlx::query(sql).execute(&mut connection).await.map_err(opening);
    let _ = connection.close().await;
    written.map(drop)
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
pub(crate) async fn postgres(config: &Database) -> Result<Pool<Postgres>, DbError> {
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
pub(crate) async fn postgres_owner(url: &str) -> Result<Pool<Postgres>, DbError> {
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
