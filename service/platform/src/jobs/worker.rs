//! The worker: claims, runs under a heartbeat, settles. Several in a process and several processes are safe.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use entity::platform::job;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::Instrument as _;

use super::queue::{self, Outcome};
use super::{Handler, JobError, JobRun};
use crate::config::Jobs as Config;
use crate::db::Db;
use crate::error::chain;
use crate::{DbError, Timestamp};

/// One attempt may take this long; a lease is renewed meanwhile.
const ATTEMPT_MAX: Duration = Duration::from_secs(120);

/// Claims and runs jobs until told to stop.
#[derive(Clone, Debug)]
pub struct Worker {
    db: Db,
    config: Config,
    owner: String,
    handlers: Rc<HashMap<&'static str, Handler>>,
}

impl Worker {
    /// A worker with `handlers`, which names itself by a fresh id.
    pub fn new(db: Db, config: Config, handlers: Vec<Handler>) -> Self {
        let handlers = handlers.into_iter().map(|handler| (handler.kind, handler)).collect();
        let owner = format!("{}:{}", std::process::id(), crate::ids::new().simple());
        Self { db, config, owner, handlers: Rc::new(handlers) }
    }

    /// Runs until `stop` resolves, then waits for what is running.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let slots = Arc::new(Semaphore::new(self.config.at_once.max(1)));
        let mut running = JoinSet::new();
        let mut reclaim = interval(self.config.lease / 2);
        reclaim.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            let slot = tokio::select! {
                () = &mut stop => break,
                _ = reclaim.tick() => {
                    self.reclaim().await;
                    continue;
                }
                slot = slots.clone().acquire_owned() => slot,
            };
            match self.claim().await {
                Ok(Some(job)) => {
                    let worker = self.clone();
                    running.spawn_local(async move {
                        worker.attempt(job).await;
                        drop(slot);
                    });
                }
                nothing => {
                    if let Err(error) = nothing {
                        tracing::warn!(error = %chain(&error), "no job could be claimed");
                    }
                    drop(slot);
                    tokio::select! {
                        () = &mut stop => break,
                        _ = timeout(self.config.poll, self.db.jobs_ready().notified()) => {}
                    }
                }
            }
            while running.try_join_next().is_some() {}
        }
        while running.join_next().await.is_some() {}
    }

    /// Runs what is due until nothing is: for tests and one-off commands.
    ///
    /// # Errors
    /// [`DbError`] if the store fails.
    pub async fn drain(&self) -> Result<usize, DbError> {
        let mut done = 0;
        while let Some(job) = self.claim().await? {
            self.attempt(job).await;
            done += 1;
        }
        Ok(done)
    }

    fn lease_until(&self) -> Timestamp {
        let lease = TimeDelta::from_std(self.config.lease).unwrap_or(TimeDelta::seconds(30));
        self.db.clock().now() + lease
    }

    async fn reclaim(&self) {
        match self.db.write_platform(&queue::ctx(), async |tx| queue::reclaim(tx).await).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "took over jobs of a dead worker"),
            Err(error) => tracing::warn!(error = %chain(&error), "expired leases could not be taken over"),
        }
    }

    async fn claim(&self) -> Result<Option<job::Model>, DbError> {
        let until = self.lease_until();
        let claimed = self
            .db
            .write_platform(&queue::ctx(), async |tx| queue::claim(tx, &self.owner, until).await)
            .await;
        match claimed {
            // Two processes took jobs of one lane at the same moment: the key let one through.
            Err(DbError::Conflict(_)) => Ok(None),
            other => other,
        }
    }

    async fn attempt(&self, job: job::Model) {
        let span = tracing::info_span!(
            "job",
            kind = %job.kind,
            job_id = %job.id,
            request_id = job.request_id.as_deref().unwrap_or_default(),
            tenant_id = job.tenant_id.map(tracing::field::display),
        );
        self.attempt_in_span(job).instrument(span).await;
    }

    async fn attempt_in_span(&self, job: job::Model) {
        let attempt = u32::try_from(job.attempts).unwrap_or(u32::MAX);
        let last = job.attempts >= job.attempts_max;
        let context =
            JobRun { id: job.id, tenant: job.tenant_id, attempt, last, request_id: job.request_id.clone() };
        let started = std::time::Instant::now();
        let Some(handler) = self.handlers.get(job.kind.as_str()) else {
            self.settle(&job, Outcome::Dead { reason: "no handler for this kind".to_owned() }).await;
            return;
        };
        let result = self.under_heartbeat(&job, (handler.run)(job.payload.clone(), context)).await;
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
        self.settle(&job, outcome).await;
    }

    /// Runs `work` while renewing the lease; gives up when the lease is lost or the attempt takes too long.
    async fn under_heartbeat(
        &self,
        job: &job::Model,
        work: impl Future<Output = Result<(), JobError>>,
    ) -> Result<(), JobError> {
        let heartbeat = async {
            let mut beat = interval(self.config.lease / 3);
            beat.tick().await;
            loop {
                beat.tick().await;
                let until = self.lease_until();
                let ctx = queue::ctx();
                let renewed = self
                    .db
                    .write_platform(&ctx, async |tx| queue::renew(tx, job.id, &self.owner, until).await);
                match renewed.await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => tracing::warn!(error = %chain(&error), "lease could not be renewed"),
                }
            }
        };
        tokio::select! {
            result = timeout(ATTEMPT_MAX, work) => {
                result.unwrap_or_else(|_| Err(JobError::retry(format!("took longer than {} s", ATTEMPT_MAX.as_secs()))))
            }
            () = heartbeat => Err(JobError::retry("the lease was lost")),
        }
    }

    async fn settle(&self, job: &job::Model, outcome: Outcome) {
        let settled =
            self.db.write_platform(&queue::ctx(), async |tx| queue::settle(tx, job, outcome).await).await;
        if let Err(error) = settled {
            // The lease will expire and the job run again: it is idempotent.
            tracing::warn!(error = %chain(&error), "job could not be settled");
        }
    }
}
