//! Whether writes reach the disk.
//!
//! Reads go on while a disk is full, so a sign of life says nothing. The first write that the store itself refuses (full,
//! read-only, broken, not: busy, a constraint) marks it as failing. While it fails, requests that would write are refused at once
//! by what was seen last, and one small write a moment, the probe, asks whether the cause is gone: the store heals by itself.
//!
//! A file that was moved beneath us takes writes and reads all the same, and they are lost at the next start: nothing is asked of it
//! until it is back.
//!
//! The probe has a second purpose on SQLite. A commit whose sync failed may lie whole in the log behind the end that everybody
//! knows; a crash would bring it back although it was refused. The next commit overwrites it, so the first one is the probe's.

use std::mem::discriminant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::{Kind, Remedy};
use super::findings::Findings;
use super::place::{Displaced, Place};

/// How often a failing store is asked whether it takes writes again.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// How often a store of which nothing bad is known is asked.
pub const IDLE_PROBE: Duration = Duration::from_secs(30);

/// Why the store takes no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failing {
    /// The disk or the quota of the store is full.
    #[error("the store has no space left")]
    Full,
    /// The disk, the file or the server beneath answers with an error, or is read-only.
    #[error("the store is broken, or takes no writes")]
    Broken(Remedy),
    /// The file, or the log beside it, isn't where it was opened.
    #[error("the store's file, or the log beside it, was moved, replaced or removed while it was in use")]
    Moved,
}

impl Failing {
    /// Whether what is read is still true.
    pub(crate) fn lets_read(self) -> bool {
        match self {
            Failing::Full | Failing::Broken(_) => true,
            Failing::Moved => false,
        }
    }

    /// What mends it.
    pub(crate) fn remedy(self) -> Remedy {
        match self {
            Failing::Full => Remedy::FreeSpace,
            Failing::Broken(remedy) => remedy,
            Failing::Moved => Remedy::PutBack,
        }
    }

    /// What happened and what mends it, for who looks after the service.
    pub fn sentence(self) -> String {
        let nothing = if self.lets_read() { "Nothing is written" } else { "Nothing is read or written" };
        format!("{nothing}: {self}; {}.", self.remedy())
    }
}

/// What is known of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last write went through.
    Good,
    /// Writes are refused.
    Failing(Failing),
}

/// Remembers how the last writes went.
#[derive(Debug)]
pub(crate) struct Watch {
    state: Mutex<State>,
    findings: Mutex<Findings>,
    /// Where its files are to be, where it is one of files.
    place: Option<Place>,
    /// Held by the one look that is under way.
    looking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State {
    health: Health,
    probed: Instant,
}

impl Watch {
    /// Nothing bad is known of the store yet, whose files are at `place`.
    pub(crate) fn over(place: Option<Place>) -> Self {
        let state = State { health: Health::Good, probed: Instant::now() };
        Self { state: Mutex::new(state), findings: Mutex::default(), place, looking: Arc::default() }
    }

    /// Looks whether the files are where they were opened, on this thread.
    pub(crate) fn in_place(&self) -> Result<(), Displaced> {
        let Some(place) = &self.place else { return Ok(()) };
        place.check().inspect_err(|displaced| {
            if self.health() != Health::Failing(Failing::Moved) {
                tracing::error!("{displaced}");
            }
            self.failed(Failing::Moved);
        })
    }

    /// The same, on a thread that a volume which hangs may hold up; on one, however many look.
    pub(crate) async fn check_files(self: &Arc<Self>) -> Result<(), Displaced> {
        let Some(place) = &self.place else { return Ok(()) };
        let (watch, looking) = (self.clone(), self.looking.clone().lock_owned().await);
        let check = tokio::task::spawn_blocking(move || {
            let _looking = looking;
            watch.in_place()
        });
        check.await.unwrap_or_else(|_| Err(place.unseen()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is damaged, as far as somebody looked.
    pub(crate) fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self) -> Health {
        self.state().health
    }

    /// A write went through.
    pub(crate) fn written(&self) {
        let mut state = self.state();
        if state.health != Health::Good {
            tracing::info!("the store takes writes again");
            state.health = Health::Good;
        }
    }

    /// The store refused a write for a reason of its own. The probe may come at once. It is said once, what mends it as of the last time.
    pub(crate) fn failed(&self, why: Failing) {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.health, Health::Failing(why));
        let is_news = match before {
            Health::Good => true,
            Health::Failing(before) => discriminant(&before) != discriminant(&why),
        };
        if is_news {
            tracing::error!("{}", why.sentence());
        }
        if before == Health::Good {
            state.probed = Instant::now().checked_sub(PROBE_EVERY).unwrap_or(state.probed);
        }
    }

    /// A statement failed; if that is the store's own fault, it counts.
    pub(crate) fn hear(&self, error: &sqlx::Error) {
        match Kind::of(error) {
            Kind::Full => self.failed(Failing::Full),
            // What isn't there any more can't be opened either.
            Kind::Broken if self.in_place().is_ok() => self.failed(Failing::Broken(Remedy::of(error))),
            Kind::Broken => {}
            Kind::Moved => self.failed(Failing::Moved),
            Kind::Damaged => self.hear_of_damage(error),
            Kind::Busy | Kind::Other => {}
        }
    }

    fn hear_of_damage(&self, error: &sqlx::Error) {
        if self.place.is_none() {
            if self.findings().met(error) {
                tracing::error!(%error, "{}", Remedy::RestoreBackup);
            }
        } else if self.findings().suspect() {
            tracing::error!(%error, "a page may be damaged: all tables are checked within a minute");
        }
    }

    /// Whether it is time for the caller to probe; nobody else is told so until the next time.
    pub(crate) fn probe_is_due(&self) -> bool {
        let mut state = self.state();
        let due = match state.health {
            // Transactions that change nothing succeed on a full disk: only the probe tells.
            Health::Good => state.probed.elapsed() >= IDLE_PROBE,
            Health::Failing(_) => state.probed.elapsed() >= PROBE_EVERY,
        };
        if due {
            state.probed = Instant::now();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_at_a_time_asks_a_failing_store() {
        let watch = Watch::over(None);
        assert!(!watch.probe_is_due());
        watch.failed(Failing::Full);
        assert_eq!(watch.health(), Health::Failing(Failing::Full));
        assert!(watch.probe_is_due());
        watch.failed(Failing::Full);
        assert!(!watch.probe_is_due());
        std::thread::sleep(PROBE_EVERY);
        assert!(watch.probe_is_due());
        watch.written();
        assert_eq!(watch.health(), Health::Good);
        assert!(!watch.probe_is_due());
    }
}
