//! What a store can answer instead of data.

use sea_orm::{DbErr, SqlErr};

use crate::event::Unreadable;
use crate::store::fault::{Kind, Remedy, driver};
use crate::store::health::Failing;
use crate::store::shares::Crowded;

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
    /// The disk is full: nothing can be written until somebody makes room.
    #[error("{}", Failing::Full)]
    Full(#[source] DbErr),
    /// The disk, the file or the server beneath answers with an error, or takes no writes.
    #[error("store is broken")]
    Broken(#[source] DbErr),
    /// The store's file isn't where it was opened: what is written there would be lost.
    #[error("{}", Failing::Moved)]
    Moved(#[source] DbErr),
    /// The commit was under way when the store failed: it may have happened or not.
    #[error("whether the transaction was committed is not known")]
    Unknown(#[source] DbErr),
    /// Those who share connections, e.g. one tenant, are too many at once.
    #[error("store has no turn for this transaction")]
    Crowded(#[from] Crowded),
    /// A Postgres server on which nothing of ours was ever made.
    #[error("the database has never been prepared: run `tenantry migrate up` as its owner")]
    Unprepared,
    /// An older binary was interrupted while it changed the schema of a store with data in it.
    #[error(
        "the schema change {change} was interrupted by an older version and can't be completed: \
         restore the backup from before the upgrade"
    )]
    HalfMigrated {
        /// The change.
        change: String,
    },
    /// An event that only a newer version of the service can read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
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

    /// What somebody can do about it, where something can be done.
    pub fn remedy(&self) -> Option<&'static str> {
        let remedy = match self {
            DbError::Full(_) => Some(Failing::Full.remedy()),
            DbError::Moved(_) => Some(Failing::Moved.remedy()),
            DbError::Broken(error) | DbError::Sql(error) => driver(error).and_then(Remedy::known),
            _ => None,
        };
        remedy.map(Remedy::text)
    }

    /// What is known of a store that takes no writes, said to somebody who would have written.
    pub(crate) fn failing(why: Failing) -> Self {
        let error = DbErr::Custom("the store takes no writes at the moment".to_owned());
        match why {
            Failing::Full => DbError::Full(error),
            Failing::Broken(_) => DbError::Broken(error),
            Failing::Moved => DbError::Moved(error),
        }
    }
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(text) | SqlErr::ForeignKeyConstraintViolation(text)) =
            error.sql_err()
        {
            return DbError::Conflict(text);
        }
        match Kind::of_orm(&error) {
            Kind::Busy => DbError::Busy(error),
            Kind::Full => DbError::Full(error),
            Kind::Moved => DbError::Moved(error),
            Kind::Broken | Kind::Damaged => DbError::Broken(error),
            Kind::Other => DbError::Sql(error),
        }
    }
}

/// A failure of the store for a person at a terminal: what happened, why, and what mends it.
pub fn explain(error: &DbError) -> String {
    let why = chain(error);
    error.remedy().map_or(why.clone(), |remedy| format!("{why}; {remedy}"))
}

/// An error and what caused it, in one line. Drivers say what caused an error in its own text already; it isn't said again.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mends_a_failing_store_is_said_once() {
        for (failing, once) in [(Failing::Full, "free space"), (Failing::Moved, "put the same file back")] {
            let explained = explain(&DbError::failing(failing));
            assert_eq!(explained.matches(once).count(), 1, "{explained}");
            assert_eq!(failing.sentence().matches(once).count(), 1, "{}", failing.sentence());
        }
    }
}
