//! A run goes on: one step after the other, each committed before the next begins.

use std::time::Duration;

use chrono::TimeDelta;
use entity::provisioning::states::{RunVerb, StepStatus};
use entity::provisioning::{run, step};
use platform::jobs::{Backoff, Handler, JobError};
use platform::{Ctx, DbError, Tx, Work as _, crash_point, injected};
use web::Service;

use crate::advance::Advance;
use crate::error::Error;
use crate::model::{Next, StepError, next};
use crate::ops::{self, StepUpdate};
use crate::settings::Retries;
use crate::steps::{Attempt, OnFailure, Step, Steps as _, gives_up};

/// No delay between attempts is longer.
const DELAY_MAX: Duration = Duration::from_secs(300);
/// Looks in a row at something that is worth looking at again at once.
const POLLS_MAX: u32 = 20;

/// Runs the jobs that take a run on.
pub(crate) fn handler(service: &Service) -> Handler {
    let service = service.clone();
    let base = Duration::from_millis(service.config.section::<Retries>().provisioning_retry_base_ms);
    Handler::new(Backoff { base, max: DELAY_MAX }, move |job: Advance, _| {
        let service = service.clone();
        async move { Engine { service: &service, job: &job }.run().await }
    })
}

/// A released name stays, so this is a run of a newer version: that one goes on with it.
fn unknown(run: &run::Model, row: &step::Model) -> JobError {
    JobError::Retry { reason: format!("runs of kind {} have no step {}", run.kind, row.name), after: None }
}

/// Whether the run goes on at once.
enum After {
    GoOn,
    Rest,
}

struct Engine<'a> {
    service: &'a Service,
    job: &'a Advance,
}

fn ctx() -> Ctx {
    Ctx::system("provisioning")
}

impl Engine<'_> {
    async fn run(&self) -> Result<(), JobError> {
        loop {
            let (tenant, id) = (self.job.tenant, self.job.run);
            let loaded = self.service.db.read(tenant, async |view| ops::load(view, id).await).await?;
            let Some((run, steps)) = loaded else { return Ok(()) };
            let (ordinal, undo) = match next(&run, &steps) {
                Next::Nothing => return Ok(()),
                Next::Done => return Ok(self.finish(&run, RunVerb::Finish).await?),
                Next::RolledBack => return Ok(self.finish(&run, RunVerb::RollBack).await?),
                Next::Do(ordinal) => (ordinal, false),
                Next::Undo(ordinal) => (ordinal, true),
            };
            let Some(row) = steps.iter().find(|step| step.ordinal == ordinal) else { return Ok(()) };
            let named = |step: &&Step| step.name == row.name;
            let step = run.kind.steps().iter().find(named).ok_or_else(|| unknown(&run, row))?;
            let attempt = Attempt { service: self.service, run: &run, row, outside: self.service.outside() };
            let after =
                if undo { self.undo(step, &attempt).await? } else { self.perform(step, &attempt).await? };
            if let After::Rest = after {
                return Ok(());
            }
        }
    }

    async fn perform(&self, step: &Step, attempt: &Attempt<'_>) -> Result<After, JobError> {
        let row = attempt.row;
        let waited = row.status == StepStatus::Running && row.waits_for.is_some();
        let begun = if step.away.is_some() {
            // Recorded before anything is sent, so that what may have had an effect is undone.
            let begin =
                async |tx: &mut Tx| ops::update_step(tx, row, StepUpdate::Begun { again: waited }).await;
            self.service.db.write(&ctx(), self.job.tenant, begin).await?
        } else {
            ops::begun(row, waited, self.service.clock.now())
        };
        match self.attempt(step, attempt, &begun).await {
            Ok(()) => {
                crash_point!(&format!("provisioning.{}.after", step.name));
                Ok(After::GoOn)
            }
            Err(error) => self.stopped(attempt, &begun, error).await,
        }
    }

    async fn attempt(
        &self,
        step: &Step,
        attempt: &Attempt<'_>,
        begun: &step::Model,
    ) -> Result<(), StepError> {
        let name = step.name;
        crash_point!(&format!("provisioning.{name}.before"));
        let tenant = self.tenant().await?;
        self.fail(&tenant.slug, name, "before")?;
        let mut learnt = again_at_once(async || step.go_outside(attempt, &tenant).await).await?;
        let twice = self.is_repeated(&tenant.slug, name, "twice");
        if twice {
            learnt = again_at_once(async || step.go_outside(attempt, &tenant).await).await?;
        }
        crash_point!(&format!("provisioning.{name}.during"));
        self.fail(&tenant.slug, name, "during")?;
        let last = attempt.run.kind.steps().last().is_some_and(|last| last.name == name);
        let calls = attempt.outside.calls();
        let work = async |tx: &mut Tx| {
            // Somebody may have given the run up meanwhile: then this must not be noted as done.
            ops::require_running(tx, attempt.run).await?;
            (step.commit)(attempt, tx, &learnt).await?;
            if twice {
                (step.commit)(attempt, tx, &learnt).await?;
            }
            ops::update_step(tx, begun, StepUpdate::Done { calls: &calls }).await?;
            if last {
                // With the tenant's new status, or an active tenant could have an open run that is in the way of the next.
                ops::go(tx, attempt.run, RunVerb::Finish).await?;
            }
            Ok::<_, StepError>(())
        };
        self.service.db.write(&ctx(), self.job.tenant, work).await
    }

    async fn tenant(&self) -> Result<entity::tenancy::tenant::Model, tenancy::Error> {
        self.service.db.read(self.job.tenant, async |view| tenancy::get(view).await).await
    }

    /// Where a test makes a step of one tenant fail.
    fn fail(&self, slug: &str, step: &str, moment: &str) -> Result<(), StepError> {
        match injected(&format!("provisioning.{slug}.{step}.{moment}")) {
            Some(why) => Err(StepError::Permanent { why }),
            None => Ok(()),
        }
    }

    /// Where a test has a step of one tenant done, or undone, twice in a row.
    fn is_repeated(&self, slug: &str, step: &str, what: &str) -> bool {
        injected(&format!("provisioning.{slug}.{step}.{what}")).is_some()
    }

    /// A step isn't done: it waits, is tried again, or the run is given up and rolled back.
    async fn stopped(
        &self,
        attempt: &Attempt<'_>,
        begun: &step::Model,
        error: StepError,
    ) -> Result<After, JobError> {
        let calls = attempt.outside.calls();
        let (after, why, helps) = match error {
            StepError::Pending { after, why } => {
                self.rest(begun, StepUpdate::Waits { why: &why, calls: &calls }, after).await?;
                return Ok(After::Rest);
            }
            StepError::Transient { after, why } => (after, why, true),
            StepError::Permanent { why } => (None, why, false),
        };
        let most = i64::from(self.service.config.section::<Retries>().provisioning_attempts_max);
        let rollback = gives_up(attempt.run.kind) && (!helps || begun.attempts >= most);
        let work = async |tx: &mut Tx| {
            ops::update_step(tx, begun, StepUpdate::Failed { why: &why, calls: &calls }).await?;
            // Where it isn't Running any more, somebody ended it meanwhile: the next look sees how.
            Ok::<_, DbError>(!rollback || ops::go(tx, attempt.run, RunVerb::GiveUp).await?)
        };
        let is_so = self.service.db.write(&ctx(), self.job.tenant, work).await?;
        if !is_so {
            return Ok(After::GoOn);
        }
        if rollback {
            let (step, attempts) = (&begun.name, begun.attempts);
            tracing::warn!(step, attempts, why, "the run failed and is rolled back");
            return Ok(After::GoOn);
        }
        Err(JobError::Retry { reason: format!("{}: {why}", begun.name), after })
    }

    /// Notes what is waited for, and leaves the job that looks again: the attempts of this one don't grow.
    async fn rest(
        &self,
        begun: &step::Model,
        update: StepUpdate<'_>,
        after: Duration,
    ) -> Result<(), DbError> {
        let work = async |tx: &mut Tx| {
            ops::update_step(tx, begun, update).await?;
            let at = tx.now() + TimeDelta::from_std(after).unwrap_or(TimeDelta::minutes(5));
            tx.enqueue_at(self.job, Some(at));
            Ok::<_, DbError>(())
        };
        self.service.db.write(&ctx(), self.job.tenant, work).await
    }

    async fn undo(&self, step: &Step, attempt: &Attempt<'_>) -> Result<After, JobError> {
        let name = step.name;
        crash_point!(&format!("provisioning.{name}.undo"));
        let undone = async {
            let tenant = self.tenant().await?;
            again_at_once(async || step.undo_outside(attempt, &tenant).await).await?;
            let twice = self.is_repeated(&tenant.slug, name, "undone_twice");
            if twice {
                again_at_once(async || step.undo_outside(attempt, &tenant).await).await?;
            }
            crash_point!(&format!("provisioning.{name}.undoing"));
            let calls = attempt.outside.calls();
            let work = async |tx: &mut Tx| {
                step.undo_here(attempt, tx).await?;
                if twice {
                    step.undo_here(attempt, tx).await?;
                }
                ops::update_step(tx, attempt.row, StepUpdate::Compensated { calls: &calls }).await?;
                Ok::<_, StepError>(())
            };
            self.service.db.write(&ctx(), self.job.tenant, work).await
        };
        let (after, why) = match undone.await {
            Ok(()) => return Ok(After::GoOn),
            Err(StepError::Pending { after, why }) => {
                let calls = attempt.outside.calls();
                self.rest(attempt.row, StepUpdate::Undoes { why: &why, calls: &calls }, after).await?;
                return Ok(After::Rest);
            }
            Err(StepError::Transient { after, why }) => (after, why),
            // What can't be undone is tried on: somebody has to look, and the run stays where they can see it.
            Err(StepError::Permanent { why }) => (None, why),
        };
        let calls = attempt.outside.calls();
        let update = StepUpdate::Undoes { why: &why, calls: &calls };
        let work = async |tx: &mut Tx| ops::update_step(tx, attempt.row, update).await;
        self.service.db.write(&ctx(), self.job.tenant, work).await?;
        Err(JobError::Retry { reason: format!("undoing {name}: {why}"), after })
    }

    async fn finish(&self, run: &run::Model, verb: RunVerb) -> Result<(), Error> {
        let work = async |tx: &mut Tx| {
            if !ops::go(tx, run, verb).await? {
                return Ok(());
            }
            match run.kind.table().on_failure {
                OnFailure::Compensate(failed) if verb == RunVerb::RollBack => failed(tx).await?,
                OnFailure::Compensate(_) | OnFailure::Persist => {}
            }
            Ok::<_, Error>(())
        };
        self.service.db.write(&ctx(), self.job.tenant, work).await
    }
}

/// Looks again at once where the wait is over before it begins, a bounded number of times.
async fn again_at_once<T>(poll: impl AsyncFn() -> Result<T, StepError>) -> Result<T, StepError> {
    for _ in 1..POLLS_MAX {
        match poll().await {
            Err(StepError::Pending { after, .. }) if after.is_zero() => {}
            other => return other,
        }
    }
    poll().await
}
