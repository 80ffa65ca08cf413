//! Opens connections to SQLite's file: to the one that the anchor has open, and to no other.
//!
//! Opened on another file a connection would bring our log into it and, closed again, clear the log away. So the files are looked at
//! before and after, and what is written on it is committed only while they are in their place.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::health::Watch;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
    /// To write what needn't be on the disk.
    WriteUnsynced,
}

/// Opens connections to the file that `watch` watches.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    options: SqliteConnectOptions,
    watch: Arc<Watch>,
}

impl Opener {
    /// Opens as `options` say, but makes no file.
    pub(super) fn new(options: SqliteConnectOptions, watch: Arc<Watch>) -> Self {
        Self { options: options.create_if_missing(false), watch }
    }

    /// Opens another connection. A COMMIT on it is refused where the files aren't in their place.
    ///
    /// # Errors
    /// The driver's; a [`Displaced`](super::place::Displaced) where the files aren't in their place.
    pub(super) async fn open(&self, purpose: Purpose) -> Result<SqliteConnection, sqlx::Error> {
        let options = match purpose {
            Purpose::Read => self.options.clone().read_only(true),
            Purpose::Write => self.options.clone(),
            Purpose::WriteUnsynced => self.options.clone().synchronous(SqliteSynchronous::Off),
        };
        self.watch.check_files().await?;
        let mut connection = options.connect().await?;
        self.watch.check_files().await?;
        let watch = self.watch.clone();
        connection.lock_handle().await?.set_commit_hook(move || watch.in_place().is_ok());
        Ok(connection)
    }

    /// A reader beside the pool.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub(super) async fn reader(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.open(Purpose::Read).await
    }

    /// Commits something small without waiting for the disk.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub(crate) async fn overwrite_end_of_log(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.open(Purpose::WriteUnsynced).await?;
        let sql = "UPDATE store_state SET fences = fences + 1 WHERE id = 1";
        let written = sqlx::query(sql).execute(&mut connection).await;
        let _ = connection.close().await;
        written.map(drop)
    }
}
