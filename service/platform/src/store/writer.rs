//! SQLite's writer: one connection, and another where it was thrown away.
//!
//! The driver's pool would open that one for whoever waits, at once and on whatever lies at the path by then. Opened on another file it
//! would bring our log into it and, closed again, clear the log away. So it is kept here, and the files are looked at in between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::health::Watch;
use super::open::ACQUIRE_TIMEOUT;
use super::place::open_in_place;
use super::raw::CLOSE_TIMEOUT;

/// The writer of one file.
#[derive(Clone, Debug)]
pub(crate) struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: SqliteConnectOptions,
    watch: Arc<Watch>,
    /// One place: whoever has it has the connection, or opens it.
    place: Arc<Semaphore>,
    idle: Mutex<Option<SqliteConnection>>,
}

impl Writer {
    /// Opens it, on the file that `watch` watches and on no other.
    ///
    /// # Errors
    /// The driver's, if it can't be.
    pub(super) async fn open(options: SqliteConnectOptions, watch: Arc<Watch>) -> Result<Self, sqlx::Error> {
        let writer = Self(Arc::new(Inner {
            options,
            watch,
            place: Arc::new(Semaphore::new(1)),
            idle: Mutex::default(),
        }));
        drop(writer.acquire().await?);
        Ok(writer)
    }

    /// Waits for the connection.
    ///
    /// # Errors
    /// `PoolTimedOut`, `PoolClosed`, and the driver's if another one can't be opened.
    pub(super) async fn acquire(&self) -> Result<Pen, sqlx::Error> {
        let acquiring = async {
            let place = self.0.place.clone().acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let idle = self.0.idle().take();
            let connection = match idle {
                Some(connection) => connection,
                None => self.0.connect().await?,
            };
            let held = Some((connection, place));
            Ok(Pen { held, fate: Fate::Kept, writer: self.0.clone() })
        };
        timeout(ACQUIRE_TIMEOUT, acquiring).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// Closes it; an open transaction finishes first.
    pub(super) async fn close(&self) {
        let _place = self.0.place.acquire().await;
        self.0.place.close();
        let idle = self.0.idle().take();
        if let Some(connection) = idle {
            let _ = connection.close().await;
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.0.idle().is_some()
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Option<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One whose COMMIT is refused where the files aren't in their place.
    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = open_in_place(&self.options, &self.watch).await?;
        let watch = self.watch.clone();
        connection.lock_handle().await?.set_commit_hook(move || watch.in_place().is_ok());
        Ok(connection)
    }
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    ThrownAway,
}

/// The writer, taken out.
#[derive(Debug)]
pub(super) struct Pen {
    /// There until it is closed.
    held: Option<(SqliteConnection, OwnedSemaphorePermit)>,
    fate: Fate,
    writer: Arc<Inner>,
}

impl Pen {
    /// The connection.
    ///
    /// # Errors
    /// `PoolClosed` if it was closed.
    pub(super) fn lend(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        match &mut self.held {
            Some((connection, _)) => Ok(connection),
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Throws the connection away.
    pub(super) fn close_on_drop(&mut self) {
        self.fate = Fate::ThrownAway;
    }

    /// Closes the connection before anybody else may have its place.
    ///
    /// # Errors
    /// The driver's.
    pub(super) async fn close(mut self) -> Result<(), sqlx::Error> {
        let Some((connection, _place)) = self.held.take() else { return Ok(()) };
        connection.close().await
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        let Some((connection, place)) = self.held.take() else { return };
        match (self.fate, tokio::runtime::Handle::try_current()) {
            (Fate::Kept, _) => *self.writer.idle() = Some(connection),
            // Its statement may still run, with the lock that the next one needs.
            (Fate::ThrownAway, Ok(runtime)) => drop(runtime.spawn(async move {
                let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;
                drop(place);
            })),
            (Fate::ThrownAway, Err(_)) => {}
        }
    }
}
