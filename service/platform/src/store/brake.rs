//! What stops a statement of SQLite that nobody waits for any more, or that has had its time.
//!
//! A statement of SQLite runs on a thread of its own and doesn't notice that its caller is gone: a search over everybody would hold its
//! connection and a core for long. So each connection asks its brake every few instructions whether it may go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Instructions of SQLite's machine between two looks at the brake: a fraction of a millisecond.
pub(super) const INSTRUCTIONS: i32 = 1_000;

/// Nothing runs that could be stopped.
const IDLE: u64 = u64::MAX;
/// A statement runs and has no end set.
const ENDLESS: u64 = u64::MAX - 1;
/// Nobody waits for the statement, and the connection is not used again.
const STOPPED: u64 = 0;

/// Until when the statement of a connection may run, in milliseconds since the connection was opened.
#[derive(Clone, Debug)]
pub(super) struct Brake {
    opened: Instant,
    until: Arc<AtomicU64>,
}

impl Brake {
    pub(super) fn new() -> Self {
        Self { opened: Instant::now(), until: Arc::new(AtomicU64::new(IDLE)) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(ENDLESS)
    }

    fn set(&self, until: u64) {
        self.until.store(until, Ordering::Relaxed);
    }

    pub(super) fn lets_go_on(&self) -> bool {
        self.now() < self.until.load(Ordering::Relaxed)
    }

    /// Ends what runs, for good.
    pub(super) fn stop(&self) {
        self.set(STOPPED);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.until.load(Ordering::Relaxed) == STOPPED
    }

    /// A statement begins that may run for `limit`; zero: as long as it likes.
    pub(super) fn running(&self, limit: Duration) -> Running {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(ENDLESS);
        self.set(if limit == 0 { ENDLESS } else { self.now().saturating_add(limit).min(ENDLESS) });
        Running { brake: self.clone(), then: STOPPED }
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
