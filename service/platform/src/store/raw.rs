//! A connection of either driver.

use std::time::Duration;

use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Executor as _, PgPool, Postgres};
use tokio::time::timeout;

use super::crash::unless_one_dies;
use super::pool::{Held, Pool};

/// How long is waited for a connection that is thrown away to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connections to one store.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite(Pool),
    Postgres(PgPool),
}

/// One of them, taken out.
#[derive(Debug)]
pub(super) enum Raw {
    Sqlite(Held),
    Postgres(Lent),
}

/// A connection to Postgres; there until it is closed or dropped.
#[derive(Debug)]
pub(super) struct Lent(Option<PoolConnection<Postgres>>);

impl Drop for Lent {
    /// Gives it back. What an HTTP worker that is stopped by force leaves is dropped outside of any runtime, where the driver would panic
    /// for want of somebody to give it back with: then it leaves the pool, which has its place again, and its socket is closed.
    fn drop(&mut self) {
        if !has_runtime()
            && let Some(inner) = self.0.take()
        {
            drop(inner.detach());
        }
    }
}

fn has_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

impl Pools {
    pub(super) async fn acquire(&self) -> Result<Raw, sqlx::Error> {
        match self {
            Pools::Sqlite(pool) => pool.acquire().await.map(Raw::Sqlite),
            Pools::Postgres(pool) => pool.acquire().await.map(|inner| Raw::Postgres(Lent(Some(inner)))),
        }
    }

    pub(super) fn backend(&self) -> DbBackend {
        match self {
            Pools::Sqlite(_) => DbBackend::Sqlite,
            Pools::Postgres(_) => DbBackend::Postgres,
        }
    }

    /// How often a beginning is tried: each idle connection of a server that was restarted is dead and has to be met once.
    pub(super) fn attempts(&self) -> u32 {
        match self {
            Pools::Sqlite(_) => 2,
            Pools::Postgres(pool) => pool.options().get_max_connections().saturating_add(1),
        }
    }

    /// Closes all; open transactions finish first.
    pub(super) async fn close(&self) {
        match self {
            Pools::Sqlite(pool) => pool.close().await,
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// Runs the same on the driver's two types, of which no trait object can be made.
macro_rules! on {
    ($raw:expr, $connection:ident => $work:expr) => {
        on!($raw, $connection => $work, $connection => $work)
    };
    ($raw:expr, $sqlite:ident => $on_sqlite:expr, $postgres:ident => $on_postgres:expr) => {
        match $raw {
            Raw::Sqlite(held) => {
                let ($sqlite, running) = held.lend()?;
                running.through(unless_one_dies(async { $on_sqlite })).await
            }
            Raw::Postgres(lent) => {
                let inner = lent.0.as_mut().ok_or(sqlx::Error::PoolClosed)?;
                let $postgres = &mut **inner;
                $on_postgres
            }
        }
    };
}

impl Raw {
    /// Runs a text without parameters: BEGIN, COMMIT, settings.
    pub(super) async fn run(&mut self, text: &str) -> Result<(), sqlx::Error> {
        let text = sqlx::AssertSqlSafe(text);
        on!(self,
            // One statement, prepared once: it runs at every transaction.
            connection => connection.execute(sqlx::query(text)).await.map(drop),
            connection => connection.execute(sqlx::raw_sql(text)).await.map(drop)
        )
    }

    pub(super) async fn fetch_all(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, sqlx::Error> {
        on!(self, connection => {
            let rows = prepared(statement).fetch_all(connection).await?;
            Ok(rows.into_iter().map(QueryResult::from).collect())
        })
    }

    pub(super) async fn fetch_one(
        &mut self,
        statement: &Statement,
    ) -> Result<Option<QueryResult>, sqlx::Error> {
        on!(self, connection => {
            Ok(prepared(statement).fetch_optional(connection).await?.map(QueryResult::from))
        })
    }

    pub(super) async fn execute(&mut self, statement: &Statement) -> Result<ExecResult, sqlx::Error> {
        on!(self, connection => prepared(statement).execute(connection).await.map(ExecResult::from))
    }

    pub(super) async fn execute_text(&mut self, text: &str) -> Result<ExecResult, sqlx::Error> {
        on!(self, connection => {
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text))).await.map(ExecResult::from)
        })
    }

    pub(super) fn close_on_drop(&mut self) {
        match self {
            Raw::Sqlite(held) => held.close_on_drop(),
            // Without a runtime it is closed in any case, and the driver's own way to close it needs one.
            Raw::Postgres(lent) => {
                if let Some(inner) = lent.0.as_mut().filter(|_| has_runtime()) {
                    inner.close_on_drop();
                }
            }
        }
    }

    /// Closes the connection before anybody else may have its place in the pool, and waits for it a while.
    pub(super) async fn close(self) {
        let closing = async {
            match self {
                Raw::Sqlite(held) => {
                    held.close().await;
                    Ok(())
                }
                Raw::Postgres(mut lent) => match lent.0.take() {
                    Some(inner) => inner.close().await,
                    None => Ok(()),
                },
            }
        };
        if !matches!(timeout(CLOSE_TIMEOUT, closing).await, Ok(Ok(()))) {
            tracing::debug!("a discarded connection could not be closed in time");
        }
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
