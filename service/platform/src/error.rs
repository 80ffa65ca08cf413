//! What a store can answer instead of data.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

use crate::store::health::Failing;
use crate::store::place::Displaced;
use crate::store::shares::Crowded;

/// The writer looks at its files in a hook of the COMMIT, which refuses it for no other reason.
const SQLITE_CONSTRAINT_COMMITHOOK: i32 = 531;

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

/// What mends a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// There is no room.
    MakeRoom,
    /// Its files were moved.
    PutBack,
    /// Its files can't be written, or not be opened.
    LetWrite,
    /// The disk answers with errors.
    LookAtDisk,
    /// Pages are damaged.
    RestoreBackup,
    /// The login may not do this.
    BeTheOwner,
    /// Nothing more is known.
    LookAround,
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl Remedy {
    /// What to do about what the driver said.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        Remedy::known(error).unwrap_or(Remedy::LookAround)
    }

    fn known(error: &sqlx::Error) -> Option<Self> {
        let sqlx::Error::Database(database) = error else { return None };
        Remedy::of_code(database.code().as_deref().unwrap_or_default())
    }

    fn of_code(code: &str) -> Option<Self> {
        match (Kind::of_code(code), sqlite_number(code), code) {
            (Kind::Full, ..) => Some(Remedy::MakeRoom),
            (Kind::Damaged, ..) => Some(Remedy::RestoreBackup),
            // IOERR_SHMSIZE: no room for the index of the log, which lies beside the file
            (_, Some(4874), _) => Some(Remedy::MakeRoom),
            (_, Some(number), _) => match number & 0xff {
                // READONLY, CANTOPEN
                8 | 14 => Some(Remedy::LetWrite),
                10 => Some(Remedy::LookAtDisk),
                _ => None,
            },
            (_, None, "58030") => Some(Remedy::LookAtDisk),
            // insufficient privilege
            (_, None, "42501") => Some(Remedy::BeTheOwner),
            _ => None,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Remedy::MakeRoom => "make room on the volume that the store is on",
            Remedy::PutBack => "put the same file back, or restart the service",
            Remedy::LetWrite => {
                "the store's file and its directory must belong to the user of the service and must not be on a read-only file system"
            }
            Remedy::LookAtDisk => "the disk answers with errors: look at the system's log",
            Remedy::RestoreBackup => "the store is damaged: restore a backup",
            Remedy::BeTheOwner => {
                "the login may not do this: changes of the schema need its owner (database.migration_url, TENANTRY_DATABASE_MIGRATION_URL)"
            }
            Remedy::LookAround => "look at its disk or server, and at the log",
        }
    }
}

/// A failure of the store for a person at a terminal: what happened, why, and what mends it.
pub fn explain(error: &DbError) -> String {
    let why = chain(error);
    error.remedy().map_or(why.clone(), |remedy| format!("{why}; {remedy}"))
}

/// What a failure that is no refused constraint means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Busy,
    Full,
    Broken,
    /// SQLite's files aren't where they were opened.
    Moved,
    /// What lies on the disk makes no sense: whatever doesn't read it goes on.
    Damaged,
    Other,
}

impl Kind {
    fn of_orm(error: &DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(_) => Kind::Busy,
            _ => driver(error).map_or(Kind::Other, Kind::of),
        }
    }

    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => Kind::Busy,
            // A server that goes down or comes up answers in the middle of a sentence.
            sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => Kind::Busy,
            sqlx::Error::WorkerCrashed => Kind::Broken,
            sqlx::Error::Configuration(error) if error.is::<Displaced>() => Kind::Moved,
            sqlx::Error::Database(database) => Kind::of_code(database.code().as_deref().unwrap_or_default()),
            _ => Kind::Other,
        }
    }

    /// By SQLite's result code, a number (<https://sqlite.org/rescode.html>), or Postgres' SQLSTATE, five characters.
    fn of_code(code: &str) -> Self {
        if let Some(number) = sqlite_number(code) {
            return Kind::of_sqlite(number);
        }
        match code {
            // serialization failure, deadlock, lock not available, statement timeout
            "40001" | "40P01" | "55P03" | "57014" => Kind::Busy,
            // too many connections, out of memory, shutting down, starting up, idle in a transaction
            "53300" | "53200" | "57P01" | "57P02" | "57P03" | "25P03" => Kind::Busy,
            "53100" => Kind::Full,
            // I/O error; read-only transaction: a standby, or a server that protects a full disk
            "58030" | "25006" => Kind::Broken,
            // corrupt data or index
            "XX001" | "XX002" => Kind::Damaged,
            _ => Kind::Other,
        }
    }

    fn of_sqlite(code: i32) -> Self {
        if code == SQLITE_CONSTRAINT_COMMITHOOK {
            return Kind::Moved;
        }
        // The low byte is the primary code, the rest says where it happened.
        match code & 0xff {
            // BUSY, LOCKED, NOMEM, INTERRUPT, PROTOCOL (a lock)
            5 | 6 | 7 | 9 | 15 => Kind::Busy,
            // FULL
            13 => Kind::Full,
            // READONLY, IOERR, CANTOPEN
            8 | 10 | 14 => Kind::Broken,
            // CORRUPT, NOTADB
            11 | 26 => Kind::Damaged,
            _ => Kind::Other,
        }
    }
}

/// What the driver said.
fn driver(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// SQLite's extended result code.
pub(crate) fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(error) = error else { return None };
    sqlite_number(&error.code()?)
}

/// SQLite's result code; `None` for a SQLSTATE.
fn sqlite_number(code: &str) -> Option<i32> {
    code.parse().ok().filter(|_| code.len() < 5)
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
    fn a_code_of_either_store_says_whose_fault_it_is() {
        for (code, kind) in [
            ("5", Kind::Busy),
            ("261", Kind::Busy),
            ("517", Kind::Busy),
            ("7", Kind::Busy),
            ("3082", Kind::Broken), // IOERR_NOMEM: an I/O error like any other
            ("13", Kind::Full),
            ("10", Kind::Broken),
            ("778", Kind::Broken),
            ("1034", Kind::Broken),
            ("8", Kind::Broken),
            ("531", Kind::Moved),
            ("2067", Kind::Other),
            ("11", Kind::Damaged),
            ("26", Kind::Damaged),
            ("1", Kind::Other),
            ("40001", Kind::Busy),
            ("57014", Kind::Busy),
            ("53100", Kind::Full),
            ("25006", Kind::Broken),
            ("XX001", Kind::Damaged),
            ("42601", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(Kind::of_code(code), kind, "{code}");
        }
    }

    #[test]
    fn a_code_says_what_mends_it() {
        for (code, remedy) in [
            ("13", Some(Remedy::MakeRoom)),
            ("53100", Some(Remedy::MakeRoom)),
            ("4874", Some(Remedy::MakeRoom)),
            ("14", Some(Remedy::LetWrite)),
            ("1544", Some(Remedy::LetWrite)), // READONLY_DIRECTORY
            ("778", Some(Remedy::LookAtDisk)),
            ("11", Some(Remedy::RestoreBackup)),
            ("26", Some(Remedy::RestoreBackup)),
            ("XX001", Some(Remedy::RestoreBackup)),
            ("42501", Some(Remedy::BeTheOwner)),
            ("5", None),
            ("40001", None),
            ("", None),
        ] {
            assert_eq!(Remedy::of_code(code), remedy, "{code}");
        }
        for (failing, once) in [(Failing::Full, "make room"), (Failing::Moved, "put the same file back")] {
            let explained = explain(&DbError::failing(failing));
            assert_eq!(explained.matches(once).count(), 1, "{explained}");
            assert_eq!(failing.sentence().matches(once).count(), 1, "{}", failing.sentence());
        }
    }
}
