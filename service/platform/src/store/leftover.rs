//! A database that is gone while its log is still there: it was moved away, or removed without its log.
//!
//! A new one made at its path would take the log for its own, or clear it away; and whoever put the old one back would find it without
//! what only the log had. So nothing is made there.

use std::path::{Path, PathBuf};

use super::place::{index_of, log_of};

/// Nobody opens or makes a database here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is not there, but {} is: put the file back; or, to begin with an empty store, remove what is left of the old one (-wal and -shm) first",
    .database.display(),
    .left.display()
)]
pub(crate) struct Leftover {
    database: PathBuf,
    left: PathBuf,
}

impl From<Leftover> for sqlx::Error {
    fn from(leftover: Leftover) -> Self {
        sqlx::Error::Configuration(Box::new(leftover))
    }
}

/// Looks for what is left of a database that isn't at `database`.
pub(crate) fn check(database: &Path) -> Result<(), Leftover> {
    let size = |path: &Path| std::fs::metadata(path).map(|found| found.len()).ok();
    if size(database).is_some_and(|bytes| bytes > 0) {
        return Ok(());
    }
    for left in [log_of(database), index_of(database)] {
        if size(&left).is_some_and(|bytes| bytes > 0) {
            return Err(Leftover { database: database.to_owned(), left });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_its_database_is_a_leftover() {
        for (database, log, index, fits) in [
            (None, None, None, true),
            (Some(10), None, None, true),
            (Some(10), Some(10), Some(10), true),
            (Some(0), None, None, true),
            (None, Some(0), None, true),
            (None, Some(10), Some(10), false),
            (None, Some(0), Some(10), false),
            (Some(0), Some(10), None, false),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("tenantry.db");
            for (suffix, bytes) in [("", database), ("-wal", log), ("-shm", index)] {
                if let Some(bytes) = bytes {
                    let file = std::fs::File::create(format!("{}{suffix}", path.display())).unwrap();
                    file.set_len(bytes).unwrap();
                }
            }
            assert_eq!(check(&path).is_ok(), fits, "{database:?} {log:?} {index:?}");
        }
    }
}
