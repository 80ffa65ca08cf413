//! Somebody else who holds a lock of the store's.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::Store;

/// Who waits for this transaction, and who waits for those: of several who want one row the second waits for the first. Asked of the locks,
/// for a transaction's view of the server's connections is as old as its first look.
const WAITERS: &str = "WITH RECURSIVE blocked AS MATERIALIZED \
     (SELECT DISTINCT pid, pg_blocking_pids(pid) AS blockers FROM pg_locks WHERE NOT granted), \
     waiters AS (SELECT pid FROM blocked WHERE pg_backend_pid() = ANY(blockers) \
     UNION SELECT blocked.pid FROM blocked JOIN waiters ON waiters.pid = ANY(blocked.blockers)) \
     SELECT count(*) FROM waiters";

/// A lock, until it is released or dropped.
pub enum Lock {
    Writer(SqliteConnection),
    Row(PgConnection),
}

impl Lock {
    /// SQLite's write lock, taken by this process. `None` where the service didn't let go of it in time.
    pub async fn writer(store: &Store) -> Option<Self> {
        let options = SqliteConnectOptions::from_str(&store.url).expect("a URL");
        let mut connection = options.busy_timeout(Duration::from_secs(3)).connect().await.ok()?;
        connection.execute("BEGIN IMMEDIATE").await.ok()?;
        Some(Lock::Writer(connection))
    }

    /// A tenant's row and those of its quotas on Postgres, by a superuser's URL: whoever creates something waits for them. `None` where there is no connection or no lock to be had.
    pub async fn tenant(url: &str, slug: &str) -> Option<Self> {
        let whose = format!("(SELECT id FROM tenant WHERE slug = '{slug}')");
        let tenant = format!("SELECT 1 FROM tenant WHERE id = {whose} FOR UPDATE");
        Self::rows(url, &format!("{tenant}; SELECT 1 FROM quota WHERE tenant_id = {whose} FOR UPDATE")).await
    }

    /// Rows on Postgres, by a superuser's URL: those that `statements` lock, or change. `None` as above.
    pub async fn rows(url: &str, statements: &str) -> Option<Self> {
        let mut connection = PgConnection::connect(url).await.ok()?;
        let lock = format!("BEGIN; SET LOCAL lock_timeout = '3s'; {statements}");
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(lock))).await.ok()?;
        Some(Lock::Row(connection))
    }

    /// Waits until so many transactions wait for this one on Postgres, or for each other because of it.
    ///
    /// # Panics
    /// If they don't.
    pub async fn waited_for(&mut self, wanted: i64) {
        let Lock::Row(connection) = self else { panic!("of rows") };
        crate::eventually(&format!("{wanted} to wait for the lock"), async || {
            let found: i64 = sqlx::query_scalar(WAITERS).fetch_one(&mut *connection).await.expect("a number");
            (found >= wanted).then_some(())
        })
        .await;
    }

    /// Commits what was changed, as soon as somebody waits for it.
    ///
    /// # Panics
    /// If nobody does.
    pub async fn commit_when_waited_for(mut self) {
        self.waited_for(1).await;
        let Lock::Row(mut connection) = self else { panic!("of rows") };
        connection.execute("COMMIT").await.expect("it is changed");
        let _ = connection.close().await;
    }

    /// Lets go, before it returns.
    pub async fn release(self) {
        match self {
            Lock::Writer(mut connection) => {
                let _ = connection.execute("ROLLBACK").await;
                let _ = connection.close().await;
            }
            Lock::Row(mut connection) => {
                let _ = connection.execute("ROLLBACK").await;
                let _ = connection.close().await;
            }
        }
    }
}

/// Ends all connections of the service to the database at `url`, in whatever they are.
pub async fn terminate_backends(url: &str) {
    let Ok(mut connection) = PgConnection::connect(url).await else { return };
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let _ = connection.execute(sql).await;
    let _ = connection.close().await;
}
