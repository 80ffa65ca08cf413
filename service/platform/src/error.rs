//! What a store can answer instead of data.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// A failed store operation, as facts.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A unique or foreign key refused the row. The text names the constraint (Postgres) or its columns (SQLite);
    /// ask it with [`DbError::conflicts_on`].
    #[error("constraint refused the row")]
    Conflict(String),
    /// The store is overloaded or gone: no connection in time, a deadlock, a lock not had in time.
    #[error("store is busy")]
    Busy(#[source] DbErr),
    /// A row contradicts itself.
    #[error("row {table} {id} is corrupt: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A sealed value could not be opened: another master key, or altered data.
    #[error("sealed value could not be opened: {0}")]
    Sealed(&'static str),
    /// Anything else.
    #[error("store failed")]
    Sql(#[source] DbErr),
}

impl DbError {
    /// Whether the refusing constraint is about `column`. Constraints are named `<table>_<column>_key`, so the column's
    /// name is found in Postgres' answer (the constraint) and in SQLite's (the columns).
    pub fn conflicts_on(&self, column: &str) -> bool {
        matches!(self, DbError::Conflict(text) if text.contains(column))
    }
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(text) | SqlErr::ForeignKeyConstraintViolation(text)) =
            error.sql_err()
        {
            return DbError::Conflict(text);
        }
        if is_busy(&error) { DbError::Busy(error) } else { DbError::Sql(error) }
    }
}

fn is_busy(error: &DbErr) -> bool {
    let runtime = match error {
        DbErr::ConnectionAcquire(_) => return true,
        DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
        _ => return false,
    };
    let RuntimeErr::SqlxError(error) = runtime else { return false };
    match error.as_ref() {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        sqlx::Error::Database(database) => matches!(
            database.code().as_deref(),
            // Postgres: serialization failure, deadlock, lock not available, too many connections, shutting down.
            Some("40001" | "40P01" | "55P03" | "53300" | "57P01" | "57P03")
            // SQLite: BUSY, BUSY_RECOVERY, BUSY_SNAPSHOT, LOCKED.
            | Some("5" | "261" | "517" | "6")
        ),
        _ => false,
    }
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
