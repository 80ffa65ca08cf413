//! One transaction on one connection.
//!
//! The driver counts transactions; the database knows them. After a COMMIT that failed because the disk was full the two
//! part, and every later "commit" of that connection releases a savepoint inside a transaction that nobody ends: answered
//! with success, gone with the process. So the counter isn't used: BEGIN, COMMIT and ROLLBACK are plain statements, which
//! SQLite itself refuses in the wrong state, and a connection is thrown away
//!
//! * after a BEGIN, COMMIT or ROLLBACK that failed,
//! * after a statement that failed for another reason than a constraint on SQLite (FULL, IOERR, NOMEM, INTERRUPT and BUSY may
//!   have rolled the whole transaction back: later statements would commit one by one), or outside the protocol on Postgres,
//! * when its transaction is dropped unfinished: a request that took too long, a panic.
//!
//! A transaction of which one statement failed can't be committed, on either store. Postgres answers such a COMMIT with
//! success and rolls back; and work that goes on after a failure on SQLite would fail on Postgres.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Executor as _, Pool, Postgres, Sqlite};
use tokio::sync::Mutex;

use crate::DbError;

/// SQLite's primary result code for a refused constraint.
const SQLITE_CONSTRAINT: i32 = 19;
/// And for a disk without room.
const SQLITE_FULL: i32 = 13;

/// Connections of one store.
#[derive(Clone, Debug)]
pub(crate) enum Connections {
    Sqlite(Pool<Sqlite>),
    Postgres(Pool<Postgres>),
}

#[derive(Debug)]
enum Raw {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A connection with an open transaction. Dropped unfinished, it is closed.
pub(crate) struct Connection {
    backend: DbBackend,
    open: Mutex<Open>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// Why a transaction isn't committed.
#[derive(Debug)]
pub(crate) enum Uncommitted {
    /// It certainly isn't.
    Refused(DbErr),
    /// The COMMIT failed on its way to the disk or back from the server.
    Doubtful(DbErr),
}

impl Uncommitted {
    fn by(backend: DbBackend, error: sqlx::Error) -> Self {
        let refused = match backend {
            // FULL comes before the last frame is written, a constraint before the first.
            DbBackend::Sqlite => {
                matches!(sqlite_code(&error).map(|code| code & 0xff), Some(SQLITE_CONSTRAINT | SQLITE_FULL))
            }
            _ => matches!(error, sqlx::Error::Database(_)),
        };
        if refused { Uncommitted::Refused(executing(error)) } else { Uncommitted::Doubtful(executing(error)) }
    }
}

/// What became of the statements so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All succeeded.
    Sound,
    /// One was refused; the transaction is still there and can be rolled back.
    Refused,
    /// One failed in a way after which nothing is known.
    Unknown,
    /// Committed or rolled back: the connection goes back to the pool.
    Ended,
}

struct Open {
    /// There until it is thrown away.
    raw: Option<Raw>,
    state: State,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let (Some(raw), false) = (&mut self.raw, self.state == State::Ended) {
            raw.close_on_drop();
        }
    }
}

/// Runs the same on the driver's two types, of which no trait object can be made.
macro_rules! on {
    ($raw:expr, $connection:ident => $work:expr) => {
        match $raw {
            Raw::Sqlite(inner) => {
                let $connection = &mut **inner;
                $work
            }
            Raw::Postgres(inner) => {
                let $connection = &mut **inner;
                $work
            }
        }
    };
}

impl Raw {
    /// Runs a text without parameters: BEGIN, COMMIT, settings.
    async fn run(&mut self, text: &str) -> Result<(), sqlx::Error> {
        match self {
            // One statement, prepared once: it runs at every transaction.
            Raw::Sqlite(inner) => {
                (&mut **inner).execute(sqlx::query(sqlx::AssertSqlSafe(text))).await.map(drop)
            }
            Raw::Postgres(inner) => {
                (&mut **inner).execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text))).await.map(drop)
            }
        }
    }

    fn close_on_drop(&mut self) {
        match self {
            Raw::Sqlite(inner) => inner.close_on_drop(),
            Raw::Postgres(inner) => inner.close_on_drop(),
        }
    }

    /// Closes the connection before anybody else may have its place in the pool.
    async fn close(self) {
        let closed = match self {
            Raw::Sqlite(inner) => inner.close().await,
            Raw::Postgres(inner) => inner.close().await,
        };
        if let Err(error) = closed {
            tracing::debug!(%error, "a connection that was thrown away could not be closed in order");
        }
    }
}

impl Connections {
    async fn acquire(&self) -> Result<Raw, sqlx::Error> {
        match self {
            Connections::Sqlite(pool) => pool.acquire().await.map(Raw::Sqlite),
            Connections::Postgres(pool) => pool.acquire().await.map(Raw::Postgres),
        }
    }

    fn backend(&self) -> DbBackend {
        match self {
            Connections::Sqlite(_) => DbBackend::Sqlite,
            Connections::Postgres(_) => DbBackend::Postgres,
        }
    }

    /// How often a beginning is tried: each idle connection of a server that was restarted is dead and has to be met once.
    fn attempts(&self) -> u32 {
        match self {
            Connections::Sqlite(_) => 2,
            Connections::Postgres(pool) => pool.options().get_max_connections().saturating_add(1),
        }
    }

    /// Begins a transaction by `begin`, a text without parameters.
    pub(crate) async fn begin(&self, begin: &str) -> Result<Connection, DbErr> {
        let mut attempts = self.attempts();
        loop {
            let mut raw = self.acquire().await.map_err(connecting)?;
            let error = match raw.run(begin).await {
                Ok(()) => {
                    let open = Mutex::new(Open { raw: Some(raw), state: State::Sound });
                    return Ok(Connection { backend: self.backend(), open });
                }
                Err(error) => error,
            };
            raw.close().await;
            attempts = attempts.saturating_sub(1);
            // A transaction that is still open (SQLITE_ERROR) or a dead connection: the next one may be sound.
            let another = match self {
                Connections::Sqlite(_) => sqlite_code(&error) == Some(1),
                Connections::Postgres(_) => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)),
            };
            if !another || attempts == 0 {
                return Err(executing(error));
            }
        }
    }

    /// One statement in a transaction of its own, for what is asked before a tenant is known.
    pub(crate) async fn query_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all(statement).await?.into_iter().next())
    }

    /// The same, for several rows.
    pub(crate) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut attempts = self.attempts();
        loop {
            let mut raw = self.acquire().await.map_err(connecting)?;
            let error = match raw.fetch_all(&statement).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            attempts = attempts.saturating_sub(1);
            if let sqlx::Error::Database(_) = error {
                return Err(querying(error));
            }
            raw.close().await;
            if attempts == 0 || self.backend() == DbBackend::Sqlite {
                return Err(querying(error));
            }
        }
    }

    /// Closes all; open transactions finish first.
    pub(crate) async fn close(&self) {
        match self {
            Connections::Sqlite(pool) => pool.close().await,
            Connections::Postgres(pool) => pool.close().await,
        }
    }
}

impl Raw {
    async fn fetch_all(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        on!(self, connection => {
            let rows = prepared(statement).fetch_all(connection).await?;
            Ok(rows.into_iter().map(QueryResult::from).collect())
        })
    }

    async fn fetch_one(&mut self, statement: &Statement) -> Result<Option<QueryResult>, sqlx::Error> {
        on!(self, connection => {
            Ok(prepared(statement).fetch_optional(connection).await?.map(QueryResult::from))
        })
    }

    async fn execute(&mut self, statement: &Statement) -> Result<ExecResult, sqlx::Error> {
        on!(self, connection => prepared(statement).execute(connection).await.map(ExecResult::from))
    }

    async fn execute_text(&mut self, text: &str) -> Result<ExecResult, sqlx::Error> {
        on!(self, connection => {
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text))).await.map(ExecResult::from)
        })
    }
}

fn prepared<DB>(statement: &Statement) -> sqlx::query::Query<'_, DB, SqlxValues>
where
    DB: Database,
    SqlxValues: sqlx::IntoArguments<DB>,
{
    let values = statement.values.clone().unwrap_or(sea_orm::Values(Vec::new()));
    sqlx::query_with(sqlx::AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

impl Open {
    /// Remembers what a failure means for the rest of the transaction.
    fn failed(&mut self, error: &sqlx::Error) {
        let refused = match &self.raw {
            Some(Raw::Sqlite(_)) => sqlite_code(error).map(|code| code & 0xff) == Some(SQLITE_CONSTRAINT),
            // Whatever the server refuses, it goes on speaking and waits for a ROLLBACK.
            Some(Raw::Postgres(_)) => matches!(error, sqlx::Error::Database(_)),
            None => false,
        };
        self.state = if refused { State::Refused } else { State::Unknown };
    }

    /// The connection for one more statement. Until that has ended nobody knows how far it came: it may be cancelled.
    fn lend(&mut self) -> Result<(&mut Raw, State), DbErr> {
        match (&mut self.raw, self.state) {
            (Some(raw), State::Sound | State::Refused) => {
                Ok((raw, std::mem::replace(&mut self.state, State::Unknown)))
            }
            _ => Err(broken()),
        }
    }
}

impl Connection {
    /// Commits, and is the only one to say that anything was.
    ///
    /// # Errors
    /// [`Uncommitted`] if a statement failed before, or the COMMIT does; then nothing is known of this connection, and it is
    /// closed before this returns.
    pub(crate) async fn commit(self) -> Result<(), Uncommitted> {
        let mut open = self.open.into_inner();
        if open.state != State::Sound {
            open.roll_back().await;
            return Err(Uncommitted::Refused(broken()));
        }
        open.end("COMMIT").await.map_err(|error| Uncommitted::by(self.backend, error))
    }

    /// Ends a transaction that has nothing to keep.
    pub(crate) async fn roll_back(self) {
        self.open.into_inner().roll_back().await;
    }
}

impl Open {
    async fn roll_back(&mut self) {
        if !matches!(self.state, State::Sound | State::Refused) {
            return;
        }
        if let Err(error) = self.end("ROLLBACK").await {
            tracing::warn!(%error, "rollback failed; the connection is closed");
        }
    }

    /// Ends the transaction by `text`, or the connection.
    async fn end(&mut self, text: &str) -> Result<(), sqlx::Error> {
        self.state = State::Unknown;
        let Some(raw) = &mut self.raw else { return Err(sqlx::Error::PoolClosed) };
        let ended = raw.run(text).await;
        if ended.is_ok() {
            self.state = State::Ended;
        } else if let Some(raw) = self.raw.take() {
            raw.close().await;
        }
        ended
    }
}

/// Runs one statement of the transaction and remembers how it went.
macro_rules! within {
    ($connection:expr, $raw:ident => $work:expr, $kind:expr) => {{
        let mut open = $connection.open.lock().await;
        let ($raw, before) = open.lend()?;
        match $work.await {
            Ok(done) => {
                open.state = before;
                Ok(done)
            }
            Err(error) => {
                open.failed(&error);
                Err($kind(error))
            }
        }
    }};
}

#[async_trait::async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        within!(self, raw => raw.execute(&statement), executing)
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        within!(self, raw => raw.execute_text(text), executing)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        within!(self, raw => raw.fetch_one(&statement), querying)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        within!(self, raw => raw.fetch_all(&statement), querying)
    }
}

/// SQLite's extended result code.
pub(crate) fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(error) = error else { return None };
    error.code()?.parse().ok()
}

fn broken() -> DbErr {
    DbErr::Custom("a statement of this transaction failed: it can only be rolled back".to_owned())
}

fn connecting(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::ConnectionClosed),
        other => DbErr::Conn(RuntimeErr::SqlxError(other.into())),
    }
}

fn executing(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn querying(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// A failed opening of a pool.
pub(crate) fn opening(error: sqlx::Error) -> DbError {
    DbError::from(connecting(error))
}
