//! Durable work: a queue in the store.
//!
//! A job is claimed by one worker of one process (`FOR UPDATE SKIP LOCKED` on Postgres, an atomic update on SQLite),
//! runs under a lease that a heartbeat renews, and ends as `done`, goes back to `pending` with a backoff, or dies as a
//! visible dead letter. A process that is killed leaves leases that expire; the next claim takes them over. So a job
//! may run twice, and is written so that the second run finds the work done.
//!
//! Jobs of one *lane* (a destination: a module, an endpoint, a tenant's backend) run one at a time, and a lane that waits
//! holds up no other. Jobs of one [`Class`] have a bounded number of places, and so has a tenant: neither takes those of others.

mod class;
mod queue;
mod running;
mod worker;

use std::rc::Rc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Timestamp;
use crate::crypto::random;
use crate::refusal::{Classified, Retry};

pub use class::Class;
pub use queue::{counts, oldest_due, retry};
pub use running::outside;
pub use worker::Worker;

/// A kind of durable work. The value itself is the payload: small, and never a secret.
pub trait Job: Serialize + DeserializeOwned + 'static {
    /// `noun.verb`, e.g. `mail.send`. Stored: a name, once released, stays.
    const KIND: &'static str;
    /// Among which jobs it waits for its turn.
    const CLASS: Class;
    /// Attempts before the job is dead.
    const ATTEMPTS_MAX: u32 = 20;

    /// Jobs of one lane run one at a time.
    fn lane(&self) -> Option<String> {
        None
    }

    /// At most one pending job of this kind and key is kept.
    fn dedupe_key(&self) -> Option<String> {
        None
    }

    /// The tenant that the job is about, where the transaction that enqueues it doesn't say.
    fn tenant(&self) -> Option<Uuid> {
        None
    }
}

/// How an attempt ended badly.
#[derive(Debug)]
pub enum JobError {
    /// Try again, by the schedule or after this long (a receiver's `Retry-After`).
    Retry {
        /// What went wrong; shown to operators, never a secret.
        reason: String,
        /// When to try again, if the other side said.
        after: Option<Duration>,
    },
    /// No further attempt can help: the job is dead.
    Fail(String),
}

impl JobError {
    /// Try again by the schedule.
    pub fn retry(reason: impl ToString) -> Self {
        Self::Retry { reason: reason.to_string(), after: None }
    }
}

impl<E: Classified> From<E> for JobError {
    fn from(error: E) -> Self {
        let reason = crate::chain(&error);
        match error.retry() {
            Retry::Conflict | Retry::Later => Self::retry(reason),
            Retry::Never => Self::Fail(reason),
        }
    }
}

/// What a run is told about itself.
#[derive(Clone, Debug)]
pub struct JobRun {
    /// The job.
    pub id: Uuid,
    /// The tenant it is about, if any.
    pub tenant: Option<Uuid>,
    /// This attempt, from 1.
    pub attempt: u32,
    /// Whether this is the last attempt: none follows it.
    pub last: bool,
    /// The request that caused it.
    pub request_id: Option<String>,
}

/// When the next attempt is due.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Delay after the first failure.
    pub base: Duration,
    /// No delay is longer.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(2), max: Duration::from_secs(3600) }
    }
}

impl Backoff {
    /// `base * 2^(attempt - 1)`, at most `max`, of which a random half: many that failed together don't return together.
    pub fn delay(&self, attempt: u32) -> TimeDelta {
        let full =
            self.base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(20))).min(self.max);
        let half = full / 2;
        let jitter = half.mul_f64(f64::from(u32::from_be_bytes(random())) / f64::from(u32::MAX));
        TimeDelta::from_std(half + jitter).unwrap_or(TimeDelta::hours(1))
    }
}

type Run = Rc<dyn Fn(serde_json::Value, JobRun) -> LocalBoxFuture<'static, Result<(), JobError>>>;

/// A kind of job and what runs it. Built where the service is put together.
#[derive(Clone)]
pub struct Handler {
    kind: &'static str,
    class: Class,
    backoff: Backoff,
    run: Run,
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Handler {
    /// Runs jobs of type `J` by `run`, retried by `backoff`.
    pub fn new<J, F, Fut>(backoff: Backoff, run: F) -> Self
    where
        J: Job,
        F: Fn(J, JobRun) -> Fut + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        let run: Run = Rc::new(move |payload, context| match serde_json::from_value::<J>(payload) {
            Ok(job) => Box::pin(run(job, context)),
            Err(error) => {
                Box::pin(async move { Err(JobError::Fail(format!("payload can't be read: {error}"))) })
            }
        });
        Self { kind: J::KIND, class: J::CLASS, backoff, run }
    }
}

/// Counts of jobs, for metrics and health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting for their time.
    pub pending: u64,
    /// Being run.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// When the oldest due job became due.
    pub oldest_due: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_grows_to_its_limit_and_keeps_at_least_half() {
        let backoff = Backoff { base: Duration::from_secs(5), max: Duration::from_secs(60) };
        for (attempt, full) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (30, 60), (u32::MAX, 60)] {
            for _ in 0..50 {
                let delay = backoff.delay(attempt).num_milliseconds();
                assert!((full * 500..=full * 1000).contains(&delay), "attempt {attempt}: {delay} ms");
            }
        }
    }
}
