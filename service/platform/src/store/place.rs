//! Whether SQLite's files are still where they were opened.
//!
//! A file that is moved, replaced or removed beneath a running process goes on taking writes, and the next start finds another one
//! at its path. So before a COMMIT and after it the three files that are at the paths (the database, its log, the log's index) are
//! compared with those that were opened.
//!
//! SQLite removes the log when the last connection is closed, and makes a new one. One connection, the anchor, is therefore open as
//! long as the store is: nobody but a stranger replaces any of the three meanwhile, whoever else opens and closes the store.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tokio::sync::Mutex;

use super::crash::unless_one_dies;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// `None` where there is nothing, or nothing that can be reached: a start would not find it either.
    fn at(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

/// Where SQLite has the log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

/// Where SQLite has the log's index.
pub(super) fn index_of(database: &Path) -> PathBuf {
    beside(database, "-shm")
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Database,
    Log,
    Index,
}

#[derive(Debug)]
struct Part {
    role: Role,
    path: PathBuf,
    opened: Identity,
}

/// Where the files of a store were opened, and which they were.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    parts: Arc<[Part]>,
}

/// How a file is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    Gone,
    Replaced,
    /// The look at it came to no end.
    Unseen,
}

/// Whose the log and its index are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    /// Nobody else can have written to it.
    Ours,
    /// Somebody else's lies at its path, for all that is known: what the index says may not be true of ours.
    Strange,
}

/// A file that isn't where it was opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{path} {missed} while it was in use",
    path = .path.display(),
    missed = match .missed {
        Missed::Gone => "was moved or removed",
        Missed::Replaced => "was replaced by another file",
        Missed::Unseen => "could not be looked for",
    }
)]
pub(crate) struct Displaced {
    path: PathBuf,
    missed: Missed,
    log: Log,
}

impl From<Displaced> for sqlx::Error {
    fn from(displaced: Displaced) -> Self {
        sqlx::Error::Configuration(Box::new(displaced))
    }
}

/// A file of a store that was just opened, and can't be watched: the store isn't served.
#[derive(Debug, thiserror::Error)]
#[error("{} was not found right after the store was opened: its volume must allow SQLite to write a log and its index beside it", .0.display())]
struct Unwatched(PathBuf);

impl From<Unwatched> for sqlx::Error {
    fn from(unwatched: Unwatched) -> Self {
        sqlx::Error::Configuration(Box::new(unwatched))
    }
}

impl Place {
    /// The files of the database that was opened at `path` and of which SQLite says that it is `file`.
    fn opened(path: &Path, file: &Path) -> Result<Self, Unwatched> {
        // A link may be pointed elsewhere; SQLite follows it once, and has the log beside what it found.
        let link = std::path::absolute(path).map_err(|_| Unwatched(path.to_owned()))?;
        let paths = [(Role::Database, link), (Role::Log, log_of(file)), (Role::Index, index_of(file))];
        let part = |(role, path): (Role, PathBuf)| match Identity::at(&path) {
            Some(opened) => Ok(Part { role, path, opened }),
            None => Err(Unwatched(path)),
        };
        Ok(Self { parts: paths.into_iter().map(part).collect::<Result<_, _>>()? })
    }

    /// What is said where a look comes to no end.
    pub(super) fn unseen(&self) -> Displaced {
        let path = self.parts.first().map(|part| part.path.clone()).unwrap_or_default();
        Displaced { path, missed: Missed::Unseen, log: Log::Strange }
    }

    /// Compares what is at the paths now: a microsecond each, and longer where a volume hangs.
    pub(crate) fn check(&self) -> Result<(), Displaced> {
        let found: Vec<Option<Identity>> = self.parts.iter().map(|part| Identity::at(&part.path)).collect();
        self.compare(&found)
    }

    fn compare(&self, found: &[Option<Identity>]) -> Result<(), Displaced> {
        let missed: Vec<(&Part, Missed)> = self
            .parts
            .iter()
            .zip(found)
            .filter(|(part, found)| **found != Some(part.opened))
            .map(|(part, found)| (part, if found.is_some() { Missed::Replaced } else { Missed::Gone }))
            .collect();
        let Some((part, how)) = missed.first() else { return Ok(()) };
        let is_strange =
            |(part, how): &(&Part, Missed)| part.role != Role::Database && *how == Missed::Replaced;
        let log = if missed.iter().any(is_strange) { Log::Strange } else { Log::Ours };
        Err(Displaced { path: part.path.clone(), missed: *how, log })
    }
}

/// A connection that is open as long as the store, and does nothing unless the files are displaced.
#[derive(Debug)]
pub(crate) struct Anchor {
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// There until it is closed.
    connection: Option<SqliteConnection>,
    log: Saved,
}

/// Whether all of the log is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saved {
    Yes,
    NotYet,
    /// Nor could it be brought there, and that was said.
    Failed,
}

impl Anchor {
    /// Opens the database, and sees what it has opened; no place where it is in memory.
    ///
    /// # Errors
    /// The driver's, and where one of the files can't be watched.
    pub(crate) async fn drop_at(
        options: &SqliteConnectOptions,
    ) -> Result<(Self, Option<Place>), sqlx::Error> {
        let mut connection = options.connect().await?;
        // The first to read opens the log.
        sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?;
        // The driver keeps to itself whether it was told to stay in memory; SQLite names no file then.
        let opened = sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'");
        let file: String = opened.fetch_one(&mut connection).await?.try_get(0)?;
        let place = match file.as_str() {
            "" => None,
            file => Some(Place::opened(options.get_filename(), Path::new(file))?),
        };
        let held = Held { connection: Some(connection), log: Saved::NotYet };
        Ok((Self { held: Mutex::new(held) }, place))
    }

    /// Brings into the database what is in the log only: the database may be found again without its log, or the log be gone. Until that
    /// succeeds it is tried at each look, and said once that it failed. The log stays as it is, for a copy of the database may need it. Not
    /// where a stranger's log lies there: the two share an index.
    pub(crate) async fn save(&self, displaced: &Displaced) {
        let mut held = self.held.lock().await;
        let Held { connection: Some(connection), log } = &mut *held else { return };
        if *log == Saved::Yes || displaced.log == Log::Strange {
            return;
        }
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection);
        let done = unless_one_dies(checkpoint).await.and_then(|row| {
            let (busy, frames, moved): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(busy == 0 && frames == moved)
        });
        match done {
            Ok(true) => *log = Saved::Yes,
            Ok(false) => {}
            Err(error) => {
                if std::mem::replace(log, Saved::Failed) == Saved::NotYet {
                    tracing::error!(%error, "the write-ahead log could not be copied into the database");
                }
            }
        }
    }

    /// The files are where they were, and will be written again.
    pub(crate) async fn reset_saved(&self) {
        self.held.lock().await.log = Saved::NotYet;
    }

    /// Closes it. Where the files are displaced it stays open until the process ends: SQLite would remove what lies at the path of
    /// the log, and that may belong to another database now.
    pub(crate) async fn close(&self, checked: Result<(), Displaced>) {
        if let Err(displaced) = &checked {
            self.save(displaced).await;
        }
        let Some(connection) = self.held.lock().await.connection.take() else { return };
        match checked {
            Ok(()) => drop(connection.close().await),
            Err(_) => std::mem::forget(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_which_a_file_is_not_found_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        for name in ["store.db", "store.db-wal", "store.db-shm"] {
            let missing = folder.path().join(name);
            assert_eq!(Place::opened(&file, &file).unwrap_err().0, missing);
            std::fs::write(missing, "").unwrap();
        }
        Place::opened(&file, &file).unwrap().check().unwrap();
    }

    #[test]
    fn each_file_is_the_one_that_was_opened_or_is_missed() {
        let file = |inode| Identity { device: 7, inode };
        let part = |role, inode| Part { role, path: format!("{role:?}").into(), opened: file(inode) };
        let place = Place {
            parts: [part(Role::Database, 1), part(Role::Log, 2), part(Role::Index, 3)].into_iter().collect(),
        };
        let same = |inode| Some(file(inode));
        let other_volume = Some(Identity { device: 8, inode: 1 });
        for (found, missed) in [
            ([same(1), same(2), same(3)], None),
            ([None, same(2), same(3)], Some(("Database", Missed::Gone, Log::Ours))),
            ([same(9), same(2), same(3)], Some(("Database", Missed::Replaced, Log::Ours))),
            ([other_volume, same(2), same(3)], Some(("Database", Missed::Replaced, Log::Ours))),
            ([same(1), None, same(3)], Some(("Log", Missed::Gone, Log::Ours))),
            ([same(1), same(9), same(3)], Some(("Log", Missed::Replaced, Log::Strange))),
            ([same(1), same(2), None], Some(("Index", Missed::Gone, Log::Ours))),
            ([same(1), same(2), same(9)], Some(("Index", Missed::Replaced, Log::Strange))),
            ([None, same(9), None], Some(("Database", Missed::Gone, Log::Strange))),
            ([None, None, None], Some(("Database", Missed::Gone, Log::Ours))),
        ] {
            let compared = place.compare(&found).err().map(|one| (one.path, one.missed, one.log));
            assert_eq!(compared, missed.map(|(path, how, log)| (path.into(), how, log)), "{found:?}");
        }
    }
}
