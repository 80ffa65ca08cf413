//! SQLite's readers, each with a brake.
//!
//! A statement of SQLite runs on a thread of its own and doesn't notice that nobody waits for it any more: a search over everybody
//! would hold its connection and a core long after its caller is gone. So each connection asks its brake every few instructions
//! whether it may go on. The driver's pool doesn't say which of its connections it gives out, and asking a connection for its handle
//! costs half as much as a small transaction: these are kept here, beside the brake that each had from the beginning.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::health::Watch;
use super::open::ACQUIRE_TIMEOUT;
use super::place::open_in_place;

/// Instructions of SQLite's machine between two looks at the brake: a fraction of a millisecond.
const INSTRUCTIONS: i32 = 1_000;

/// Nothing runs that could be stopped.
const IDLE: u64 = u64::MAX;
/// A statement runs and has no end set.
const ENDLESS: u64 = u64::MAX - 1;
/// Whoever asked for the statement is gone.
const STOPPED: u64 = 0;

/// Until when the statement of a connection may run, in milliseconds since the connection was opened.
#[derive(Clone, Debug)]
struct Brake {
    opened: Instant,
    until: Arc<AtomicU64>,
}

impl Brake {
    fn new() -> Self {
        Self { opened: Instant::now(), until: Arc::new(AtomicU64::new(IDLE)) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(ENDLESS)
    }

    fn set(&self, until: u64) {
        self.until.store(until, Ordering::Relaxed);
    }

    fn lets_go_on(&self) -> bool {
        self.now() < self.until.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.until.load(Ordering::Relaxed) == STOPPED
    }
}

/// A statement under way. Dropped before it has ended, it is stopped.
pub(super) struct Running {
    brake: Brake,
    then: u64,
}

impl Running {
    /// Waits for the statement.
    pub(super) async fn through<T>(mut self, statement: impl Future<Output = T>) -> T {
        let done = statement.await;
        self.then = IDLE;
        done
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.brake.set(self.then);
    }
}

#[derive(Debug)]
struct Reader {
    connection: SqliteConnection,
    brake: Brake,
}

/// The readers of one file.
#[derive(Clone, Debug)]
pub(crate) struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: SqliteConnectOptions,
    watch: Arc<Watch>,
    count: u32,
    /// How long a statement may run; zero: as long as it likes.
    statement_timeout: Duration,
    places: Arc<Semaphore>,
    /// The one used last is given out first: its pages are still in its cache.
    idle: Mutex<Vec<Reader>>,
}

impl Readers {
    /// At most `count` connections, of which one is opened now; each to the file that `watch` watches, and to no other.
    ///
    /// # Errors
    /// The driver's, if it can't be.
    pub(super) async fn open(
        (options, watch): (SqliteConnectOptions, Arc<Watch>),
        count: u32,
        statement_timeout: Duration,
    ) -> Result<Self, sqlx::Error> {
        let places = Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)));
        let idle = Mutex::default();
        let readers = Self(Arc::new(Inner { options, watch, count, statement_timeout, places, idle }));
        let first = readers.0.connect().await?;
        readers.0.idle().push(first);
        Ok(readers)
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// `PoolTimedOut`, `PoolClosed`, and the driver's if a new one can't be opened.
    pub(super) async fn acquire(&self) -> Result<Held, sqlx::Error> {
        let place = timeout(ACQUIRE_TIMEOUT, self.0.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.0.idle().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.0.connect().await?,
        };
        Ok(Held { reader: Some(reader), readers: self.0.clone(), place: Some(place) })
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        let taken = usize::try_from(self.0.count).unwrap() - self.0.places.available_permits();
        self.0.idle().len() + taken
    }

    /// Closes all; open transactions finish first.
    pub(super) async fn close(&self) {
        let _all = self.0.places.acquire_many(self.0.count).await;
        self.0.places.close();
        let idle = std::mem::take(&mut *self.0.idle());
        for reader in idle {
            let _ = reader.connection.close().await;
        }
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Reader, sqlx::Error> {
        let mut connection = open_in_place(&self.options, &self.watch).await?;
        let brake = Brake::new();
        let asked = brake.clone();
        connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, move || asked.lets_go_on());
        Ok(Reader { connection, brake })
    }
}

/// A reader, taken out. It goes back when dropped, unless its last statement was stopped.
#[derive(Debug)]
pub(super) struct Held {
    /// There until it is thrown away.
    reader: Option<Reader>,
    readers: Arc<Inner>,
    place: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// The connection for one statement, which has its time from now.
    ///
    /// # Errors
    /// `PoolClosed` if the connection was thrown away.
    pub(super) fn lend(&mut self) -> Result<(&mut SqliteConnection, Running), sqlx::Error> {
        let limit = u64::try_from(self.readers.statement_timeout.as_millis()).unwrap_or(ENDLESS);
        let Some(Reader { connection, brake }) = &mut self.reader else {
            return Err(sqlx::Error::PoolClosed);
        };
        let until = if limit == 0 { ENDLESS } else { brake.now().saturating_add(limit).min(ENDLESS) };
        brake.set(until);
        Ok((connection, Running { brake: brake.clone(), then: STOPPED }))
    }

    /// Throws the connection away. Nobody has its place before its thread has ended.
    pub(super) fn close_on_drop(&mut self) {
        let (Some(reader), place) = (self.reader.take(), self.place.take()) else { return };
        let closing = async move {
            let _ = reader.connection.close().await;
            drop(place);
        };
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(closing));
        }
    }

    /// Closes the connection before anybody else may have its place.
    ///
    /// # Errors
    /// The driver's.
    pub(super) async fn close(mut self) -> Result<(), sqlx::Error> {
        match self.reader.take() {
            Some(reader) => reader.connection.close().await,
            None => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.reader.as_ref().is_some_and(|reader| reader.brake.is_stopped()) {
            self.close_on_drop();
        } else if let Some(reader) = self.reader.take() {
            self.readers.idle().push(reader);
        }
    }
}
