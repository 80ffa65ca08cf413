//! What a driver's error means, whichever store it is of, and what mends it.

use sea_orm::{DbErr, RuntimeErr};

use super::place::Displaced;

/// The writer looks at its files in a hook of the COMMIT, which refuses it for no other reason.
const SQLITE_CONSTRAINT_COMMITHOOK: i32 = 531;

/// What mends a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// There is no room.
    FreeSpace,
    /// Its files were moved.
    PutBack,
    /// Its files can't be written, or not be opened.
    LetWrite,
    /// The disk answers with errors.
    CheckDisk,
    /// Pages are damaged.
    RestoreBackup,
    /// The login may not do this.
    BeTheOwner,
    /// Nothing more is known.
    Unknown,
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl Remedy {
    /// What to do about what the driver said.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        Remedy::known(error).unwrap_or(Remedy::Unknown)
    }

    pub(crate) fn known(error: &sqlx::Error) -> Option<Self> {
        let sqlx::Error::Database(database) = error else { return None };
        Remedy::of_code(database.code().as_deref().unwrap_or_default())
    }

    fn of_code(code: &str) -> Option<Self> {
        match (Kind::of_code(code), sqlite_number(code), code) {
            (Kind::Full, ..) => Some(Remedy::FreeSpace),
            (Kind::Damaged, ..) => Some(Remedy::RestoreBackup),
            // IOERR_SHMSIZE: no room for the index of the log, which lies beside the file
            (_, Some(4874), _) => Some(Remedy::FreeSpace),
            (_, Some(number), _) => match number & 0xff {
                // READONLY, CANTOPEN
                8 | 14 => Some(Remedy::LetWrite),
                10 => Some(Remedy::CheckDisk),
                _ => None,
            },
            (_, None, "58030") => Some(Remedy::CheckDisk),
            // insufficient privilege
            (_, None, "42501") => Some(Remedy::BeTheOwner),
            _ => None,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Remedy::FreeSpace => "free space on the volume that the store is on",
            Remedy::PutBack => "put the same file back, or restart the service",
            Remedy::LetWrite => {
                "the store's file and its directory must belong to the user of the service and must not be on a read-only file system"
            }
            Remedy::CheckDisk => "the disk answers with errors: look at the system's log",
            Remedy::RestoreBackup => "the store is damaged: restore a backup",
            Remedy::BeTheOwner => {
                "the login may not do this: changes of the schema need its owner (database.migration_url, TENANTRY_DATABASE_MIGRATION_URL)"
            }
            Remedy::Unknown => "look at its disk or server, and at the log",
        }
    }
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
    pub(crate) fn of_orm(error: &DbErr) -> Self {
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
pub(crate) fn driver(error: &DbErr) -> Option<&sqlx::Error> {
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
            ("13", Some(Remedy::FreeSpace)),
            ("53100", Some(Remedy::FreeSpace)),
            ("4874", Some(Remedy::FreeSpace)),
            ("14", Some(Remedy::LetWrite)),
            ("1544", Some(Remedy::LetWrite)), // READONLY_DIRECTORY
            ("778", Some(Remedy::CheckDisk)),
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
    }
}
