//! The worker: claims, runs under a heartbeat, records the outcome. Several in a process and several processes are safe.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use chrono::TimeDelta;
use entity::platform::job;
use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::Instrument as _;

use super::class::{Class, Closed};
use super::queue::{self, ClosedKinds, Outcome};
use super::running::{Lease, Place, Running};
use super::{Handler, JobError, JobRun};
use crate::config::Jobs as Config;
use crate::db::Db;
use crate::error::chain;
use crate::{DbError, PlatformTx, Timestamp};

/// One attempt may take this long; a lease is renewed meanwhile.
const ATTEMPT_MAX: Duration = Duration::from_secs(120);
/// How long recording an outcome is tried again.
const RECORDING_MAX: Duration = Duration::from_secs(30);

/// Claims and runs jobs until told to stop.
#[derive(Clone, Debug)]
pub struct Worker {
    db: Db,
    config: Config,
    name: String,
    claims: Rc<Cell<u64>>,
    handlers: Rc<HashMap<&'static str, Handler>>,
    running: Running,
}

impl Worker {
    /// A worker with `handlers`, which names itself by a fresh id.
    pub fn new(db: Db, config: Config, handlers: Vec<Handler>) -> Self {
        let handlers = handlers.into_iter().map(|handler| (handler.kind, handler)).collect();
        let name = format!("{}:{}", std::process::id(), crate::ids::new().simple());
        let (claims, handlers) = (Rc::default(), Rc::new(handlers));
        Self { db, config, name, claims, handlers, running: Running::default() }
    }

    /// Runs until `stop` resolves, then waits for what is running.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        // Apart from the claims: one that waits for the store must not cost the leases of what runs.
        tokio::select! {
            () = self.claims(stop) => {}
            () = self.heartbeat() => {}
        }
    }

    async fn claims(&self, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        tokio::pin!(stop);
        while stop.as_mut().now_or_never().is_none() {
            let closed = self.running.closed(self.config.at_once);
            match self.claim(&closed).await {
                Ok(Some((job, place))) => {
                    let worker = self.clone();
                    tasks.spawn_local(async move { worker.attempt(job, place).await });
                }
                nothing => {
                    if let Err(error) = nothing {
                        tracing::warn!(error = %chain(&error), "no job could be claimed");
                    }
                    tokio::select! {
                        () = &mut stop => break,
                        // Something may have waited for just this place: of its class, its lane or its tenant.
                        () = self.running.changed() => {}
                        _ = timeout(self.config.poll, self.db.jobs_ready().notified()) => {}
                    }
                }
            }
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Runs what is due until nothing is: for tests and one-off commands.
    pub async fn drain(&self) -> Result<usize, DbError> {
        let all = async {
            let mut done = 0;
            while let Some((job, place)) = self.claim(&Closed::default()).await? {
                self.attempt(job, place).await;
                done += 1;
            }
            Ok(done)
        };
        tokio::select! {
            done = all => done,
            () = self.heartbeat() => Ok(0),
        }
    }

    fn lease_until(&self) -> Timestamp {
        let lease = TimeDelta::from_std(self.config.lease).unwrap_or(TimeDelta::seconds(30));
        self.db.clock().now() + lease
    }

    async fn reclaim(&self) {
        let alive: Vec<_> = self.running.leases().into_iter().map(|lease| lease.job).collect();
        let work = async |tx: &mut PlatformTx| queue::reclaim(tx, &alive).await;
        match self.db.write_platform(&queue::ctx(), work).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "took over jobs of a dead worker"),
            Err(error) => tracing::warn!(error = %chain(&error), "expired leases could not be taken over"),
        }
    }

    /// The next due job, and its place among those that run.
    async fn claim(&self, closed: &Closed) -> Result<Option<(job::Model, Place)>, DbError> {
        if closed.full.len() == Class::ALL.len() {
            return Ok(None);
        }
        let kinds = |classes: &[Class]| {
            let of = self.handlers.values().filter(|handler| classes.contains(&handler.class));
            of.map(|handler| handler.kind).collect()
        };
        let kinds = ClosedKinds { full: kinds(&closed.full), crowded: kinds(&closed.crowded) };
        let until = self.lease_until();
        self.claims.set(self.claims.get() + 1);
        let owner = format!("{}/{}", self.name, self.claims.get());
        let claimed = self
            .db
            .write_platform(&queue::ctx(), async |tx| queue::claim(tx, &owner, until, &kinds).await)
            .await;
        let job = match claimed {
            // Two processes took jobs of one lane at the same moment: the key let one through.
            Err(DbError::Conflict(_)) => None,
            other => other?,
        };
        Ok(job.map(|job| {
            // One that nobody can run ends at once, whatever else goes on.
            let class = self.handlers.get(job.kind.as_str()).map_or(Class::Maintenance, |one| one.class);
            let place = self.running.begin(Lease { job: job.id, owner }, class);
            (job, place)
        }))
    }

    /// Renews the leases of all that run, in one statement, and takes over what dead workers left.
    async fn heartbeat(&self) {
        let mut beat = interval(self.config.lease / 3);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.renew().await;
            self.reclaim().await;
        }
    }

    async fn renew(&self) {
        let (asked, until) = (self.running.leases(), self.lease_until());
        if asked.is_empty() {
            return;
        }
        let renewed =
            self.db.write_platform(&queue::ctx(), async |tx| queue::renew(tx, &asked, until).await).await;
        match renewed {
            Ok(held) => self.running.lose(&asked, &held),
            Err(error) => tracing::warn!(error = %chain(&error), "leases could not be renewed"),
        }
    }

    async fn attempt(&self, job: job::Model, place: Place) {
        let span = tracing::error_span!(
            "job",
            kind = %job.kind,
            job_id = %job.id,
            request_id = job.request_id.as_deref().unwrap_or_default(),
            tenant_id = job.tenant_id.map(tracing::field::display),
        );
        self.attempt_in_span(job, place).instrument(span).await;
    }

    async fn attempt_in_span(&self, job: job::Model, mut place: Place) {
        let attempt = u32::try_from(job.attempts).unwrap_or(u32::MAX);
        let last = job.attempts >= job.attempts_max;
        let context =
            JobRun { id: job.id, tenant: job.tenant_id, attempt, last, request_id: job.request_id.clone() };
        let started = std::time::Instant::now();
        let Some(handler) = self.handlers.get(job.kind.as_str()) else {
            self.finalize(&job, Outcome::Dead { reason: "no handler for this kind".to_owned() }).await;
            return;
        };
        let work = within(ATTEMPT_MAX, (handler.run)(job.payload.clone(), context));
        let result = match place.run(work).await {
            Some(result) => result,
            None => Err(JobError::retry("the lease was lost")),
        };
        let (label, outcome) = match result {
            Ok(()) => ("done", Outcome::Done),
            Err(JobError::Fail(reason)) => ("dead", Outcome::Dead { reason }),
            Err(JobError::Retry { reason, .. }) if last => ("dead", Outcome::Dead { reason }),
            Err(JobError::Retry { reason, after }) => {
                let delay = after.and_then(|after| TimeDelta::from_std(after).ok());
                let delay = delay.unwrap_or_else(|| handler.backoff.delay(attempt));
                ("retry", Outcome::Again { at: self.db.clock().now() + delay, reason })
            }
        };
        match &outcome {
            Outcome::Done => tracing::debug!(attempt, "job done"),
            Outcome::Again { reason, at } => tracing::info!(attempt, %reason, %at, "job will be tried again"),
            Outcome::Dead { reason } => tracing::error!(attempt, %reason, "job is dead"),
        }
        metrics::counter!("tenantry_jobs_total", "kind" => handler.kind, "outcome" => label).increment(1);
        metrics::histogram!("tenantry_job_seconds", "kind" => handler.kind)
            .record(started.elapsed().as_secs_f64());
        self.finalize(&job, outcome).await;
    }

    /// Records how an attempt ended. Its lease is renewed meanwhile, so as long as nobody else has taken it over, what the job did outside,
    /// e.g. a mail that it sent, isn't done a second time because the store was busy for a moment.
    async fn finalize(&self, job: &job::Model, outcome: Outcome) {
        let record = async |tx: &mut PlatformTx| queue::finalize(tx, job, &outcome).await;
        let until = Instant::now() + RECORDING_MAX;
        let (mut warned, mut superseded) = (false, false);
        while let Err(error) = self.db.write_platform(&queue::ctx(), record).await {
            if Instant::now() >= until {
                // The lease will expire and the job run again: it is idempotent.
                tracing::error!(error = %chain(&error), "a job's outcome is not recorded: it will run again");
                return;
            }
            // A newer job of the same key was enqueued between the question and the answer: it is found now.
            if matches!(error, DbError::Conflict(_)) && !superseded {
                superseded = true;
                continue;
            }
            if !warned {
                tracing::warn!(error = %chain(&error), "a job's outcome could not be recorded; it is tried again");
            }
            warned = true;
            sleep(self.config.poll).await;
        }
    }
}

/// What comes of an attempt that has so much time; one that takes longer is tried again.
async fn within(most: Duration, work: impl Future<Output = Result<(), JobError>>) -> Result<(), JobError> {
    let late = |_| Err(JobError::retry(format!("took longer than {} s", most.as_secs())));
    timeout(most, work).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_attempt_has_120_seconds_and_is_tried_again() {
        assert_eq!(ATTEMPT_MAX, Duration::from_secs(120));
        let hung = within(Duration::from_millis(10), std::future::pending()).await;
        assert!(
            matches!(hung, Err(JobError::Retry { reason, after: None }) if reason == "took longer than 0 s")
        );
        assert!(within(ATTEMPT_MAX, async { Ok(()) }).await.is_ok());
    }
}
