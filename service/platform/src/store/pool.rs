//! SQLite's connections: one that writes, and those that read.
//!
//! The driver's pool would open another one for whoever waits, at once and on whatever lies at the path by then; it doesn't say which of
//! its connections it gives out, and asking a connection for its handle costs half as much as a small transaction. So they are kept here,
//! opened by an [`Opener`], each beside the brake that it had from the beginning.
//!
//! Each has a thread. A place in the pool is free again when that thread has let go of the connection (one that dies, a moment before):
//! else threads that hang would become more and more, and the next writer would wait for the lock of the one before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::brake::{Brake, INSTRUCTIONS, Running};
use super::crash::unless_one_dies;
use super::opener::{Opener, Purpose};

/// How long a transaction waits for a connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections of one purpose to one file.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Inner>);

/// What a pool is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) opener: Opener,
    pub(super) purpose: Purpose,
    /// How many connections there are at most.
    pub(super) count: u32,
    /// How long a statement may run; zero: as long as it likes.
    pub(super) statement_timeout: Duration,
}

#[derive(Debug)]
struct Inner {
    plan: Plan,
    places: Arc<Semaphore>,
    /// The one used last is given out first: its pages are still in its cache.
    idle: Mutex<Vec<Fitted>>,
}

/// A connection with its brake.
#[derive(Debug)]
struct Fitted {
    connection: SqliteConnection,
    brake: Brake,
}

impl Pool {
    /// Makes the pool and opens the first of its connections.
    ///
    /// # Errors
    /// As for [`Opener::open`].
    pub(super) async fn open(plan: Plan) -> Result<Self, sqlx::Error> {
        let places = Arc::new(Semaphore::new(usize::try_from(plan.count).unwrap_or(1)));
        let pool = Self(Arc::new(Inner { plan, places, idle: Mutex::default() }));
        drop(pool.acquire().await?);
        Ok(pool)
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// `PoolTimedOut`, `PoolClosed`, and as for [`Opener::open`] if a new one can't be opened.
    pub(super) async fn acquire(&self) -> Result<Held, sqlx::Error> {
        let acquiring = async {
            let places = self.0.places.clone();
            let place = places.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let idle = self.0.idle().pop();
            match idle {
                Some(fitted) => Ok(Held { taken: Some((fitted, place)), pool: self.0.clone() }),
                // Whoever stops waiting leaves it to the next one: its thread has begun.
                None => {
                    tokio::spawn(self.0.clone().connect(place)).await.map_err(|_| sqlx::Error::PoolClosed)?
                }
            }
        };
        timeout(ACQUIRE_TIMEOUT, acquiring).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// Closes all; open transactions finish first, if they do within the time that others would wait for them.
    pub(super) async fn close(&self) {
        let _all = timeout(ACQUIRE_TIMEOUT, self.0.places.acquire_many(self.0.plan.count)).await;
        self.0.places.close();
        let idle = std::mem::take(&mut *self.0.idle());
        for fitted in idle {
            fitted.close().await;
        }
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        let taken = usize::try_from(self.0.plan.count).unwrap() - self.0.places.available_permits();
        self.0.idle().len() + taken
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Fitted>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(self: Arc<Self>, place: OwnedSemaphorePermit) -> Result<Held, sqlx::Error> {
        let mut connection = unless_one_dies(self.plan.opener.open(self.plan.purpose)).await?;
        let brake = Brake::new();
        let asked = brake.clone();
        connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, move || asked.lets_go_on());
        Ok(Held { taken: Some((Fitted { connection, brake }, place)), pool: self })
    }
}

impl Fitted {
    /// Stops what runs on it and waits until SQLite has closed it, which takes the log away if it is the last one of the file. A thread
    /// that dies closes it too, perhaps a moment after this.
    async fn close(self) {
        self.brake.stop();
        let _ = self.connection.close().await;
    }
}

/// A connection, taken out. It goes back when dropped, unless it was stopped.
#[derive(Debug)]
pub(super) struct Held {
    /// There until it is closed.
    taken: Option<(Fitted, OwnedSemaphorePermit)>,
    pool: Arc<Inner>,
}

impl Held {
    /// The connection for one statement, which has its time from now.
    ///
    /// # Errors
    /// `PoolClosed` if the connection was closed.
    pub(super) fn lend(&mut self) -> Result<(&mut SqliteConnection, Running), sqlx::Error> {
        let Some((Fitted { connection, brake, .. }, _)) = &mut self.taken else {
            return Err(sqlx::Error::PoolClosed);
        };
        Ok((connection, brake.running(self.pool.plan.statement_timeout)))
    }

    /// Throws the connection away.
    pub(super) fn close_on_drop(&mut self) {
        if let Some((fitted, _)) = &self.taken {
            fitted.brake.stop();
        }
    }

    /// Closes the connection. Nobody has its place before its thread has let go of it, whether or not somebody waits for that.
    pub(super) async fn close(mut self) {
        if let Some(closing) = self.taken.take().and_then(closing) {
            let _ = closing.await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((fitted, place)) = self.taken.take() else { return };
        if fitted.brake.is_stopped() {
            drop(closing((fitted, place)));
        } else {
            self.pool.idle().push(fitted);
            drop(place);
        }
    }
}

fn closing((fitted, place): (Fitted, OwnedSemaphorePermit)) -> Option<JoinHandle<()>> {
    let closing = async move {
        fitted.close().await;
        drop(place);
    };
    Handle::try_current().ok().map(|runtime| runtime.spawn(closing))
}
