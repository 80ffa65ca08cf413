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

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tokio::sync::Mutex;

use super::fault::sqlite_code;
use super::health::Watch;
use super::raw::{Pools, Raw};
use crate::DbError;

/// SQLite's primary result code for a refused constraint.
const SQLITE_CONSTRAINT: i32 = 19;
/// And for a disk without room.
const SQLITE_FULL: i32 = 13;

/// Connections of one store, and who hears how they fare.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    pools: Pools,
    watch: Arc<Watch>,
}

/// A connection with an open transaction. Dropped unfinished, it is closed.
pub(crate) struct Connection {
    backend: DbBackend,
    watch: Arc<Watch>,
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
    /// The COMMIT may have succeeded: the driver's thread died, perhaps after it.
    Unknown(DbErr),
}

impl Uncommitted {
    fn by(backend: DbBackend, error: sqlx::Error) -> Self {
        let refused = match backend {
            // FULL comes before the last frame is written, a constraint before the first.
            DbBackend::Sqlite => {
                matches!(sqlite_code(&error).map(|code| code & 0xff), Some(SQLITE_CONSTRAINT | SQLITE_FULL))
            }
            // A server that ends the connection (FATAL) may do so between the commit and its answer.
            _ => matches!(&error, sqlx::Error::Database(database) if is_an_error(database.as_ref())),
        };
        match error {
            _ if refused => Uncommitted::Refused(executing(error)),
            sqlx::Error::WorkerCrashed => Uncommitted::Unknown(executing(error)),
            _ => Uncommitted::Doubtful(executing(error)),
        }
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

impl Connections {
    /// `pools`, whose failures `watch` hears of.
    pub(crate) fn new(pools: Pools, watch: Arc<Watch>) -> Self {
        Self { pools, watch }
    }

    #[cfg(test)]
    pub(super) fn pools(&self) -> &Pools {
        &self.pools
    }

    fn backend(&self) -> DbBackend {
        self.pools.backend()
    }

    /// Begins a transaction by `begin`, a text without parameters.
    pub(crate) async fn begin(&self, begin: &str) -> Result<Connection, DbErr> {
        let mut attempts = self.pools.attempts();
        loop {
            let raw = self.pools.acquire().await.map_err(connecting)?;
            // Cancelled while it begins, it is closed too: on Postgres the next BEGIN would go on in its scope with a warning.
            let mut open = Open { raw: Some(raw), state: State::Unknown };
            let error = match open.run(begin, State::Sound).await {
                Ok(()) => {
                    let (watch, open) = (self.watch.clone(), Mutex::new(open));
                    return Ok(Connection { backend: self.backend(), watch, open });
                }
                Err(error) => error,
            };
            attempts = attempts.saturating_sub(1);
            // A transaction that is still open (SQLITE_ERROR) or a dead connection: the next one may be sound.
            let another = match self.pools {
                Pools::Sqlite(_) => sqlite_code(&error) == Some(1),
                Pools::Postgres(_) => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)),
            };
            if !another || attempts == 0 {
                self.watch.hear(&error);
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
        let mut attempts = self.pools.attempts();
        loop {
            let mut raw = self.pools.acquire().await.map_err(connecting)?;
            let error = match raw.fetch_all(&statement).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            attempts = attempts.saturating_sub(1);
            raw.close().await;
            let lost = matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_));
            if !lost || attempts == 0 || self.backend() == DbBackend::Sqlite {
                self.watch.hear(&error);
                return Err(querying(error));
            }
        }
    }

    /// Closes all; open transactions finish first.
    pub(crate) async fn close(&self) {
        self.pools.close().await;
    }
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
        let committed = open.run("COMMIT", State::Ended).await;
        committed.map_err(|error| {
            self.watch.hear(&error);
            Uncommitted::by(self.backend, error)
        })?;
        // Moved meanwhile, it may be in what was moved, or in nothing that anybody finds.
        self.watch.in_place().map_err(|displaced| Uncommitted::Unknown(executing(displaced.into())))
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
        if let Err(error) = self.run("ROLLBACK", State::Ended).await {
            tracing::warn!(%error, "rollback failed; the connection is closed");
        }
    }

    /// Begins or ends the transaction by `text`, after which it is in the state `then`; or ends the connection.
    async fn run(&mut self, text: &str, then: State) -> Result<(), sqlx::Error> {
        self.state = State::Unknown;
        let Some(raw) = &mut self.raw else { return Err(sqlx::Error::PoolClosed) };
        let ran = raw.run(text).await;
        if ran.is_ok() {
            self.state = then;
        } else if let Some(raw) = self.raw.take() {
            raw.close().await;
        }
        ran
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
                $connection.watch.hear(&error);
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

/// Whether Postgres says ERROR, after which the connection goes on, and not FATAL or PANIC.
fn is_an_error(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| error.severity() == PgSeverity::Error)
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
