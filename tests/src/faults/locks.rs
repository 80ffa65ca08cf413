//! Somebody else who holds a lock of the store's.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::Store;

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

    /// Commits what was changed, as soon as somebody waits for it.
    ///
    /// # Panics
    /// If nobody does.
    pub async fn commit_when_waited_for(self) {
        let Lock::Row(mut connection) = self else { panic!("of rows") };
        let waits = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for tries in 0.. {
            assert!(tries < 200, "nobody waits");
            let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&mut connection).await.expect("a number");
            if waiting > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
