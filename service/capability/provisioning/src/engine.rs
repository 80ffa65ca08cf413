//! A run goes on: one step after the other, each committed before the next begins.

use std::time::Duration;

use chrono::TimeDelta;
use entity::provisioning::states::{RunVerb, StepStatus};
use entity::provisioning::{run, step};
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::{Ctx, DbError, Tx, Work as _, crash_point, injected};
use serde::{Deserialize, Serialize};
use tenancy::{TenantEvent, Verb};
use uuid::Uuid;
use web::{Problem, Service};

use crate::model::{Kind, Next, Steps as _, Stop, gives_up, next};
use crate::ops::{self, Note};
use crate::steps::Step;

/// No delay between attempts is longer.
const DELAY_MAX: Duration = Duration::from_secs(300);
/// Looks in a row at something that is worth looking at again at once.
const LOOKS_MAX: u32 = 20;

/// Whatever changes what a tenant has outside runs one at a time: a removal must not overtake what is being made.
pub(crate) fn lane(tenant: Uuid) -> String {
    format!("tenant:{tenant}")
}

/// Takes a run on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Advance {
    pub(crate) tenant: Uuid,
    pub(crate) run: Uuid,
}

impl Job for Advance {
    const KIND: &'static str = "provisioning.advance";
    const CLASS: Class = Class::Provisioning;
    // The run itself decides when to give up; the job only carries it.
    const ATTEMPTS_MAX: u32 = 10_000;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.run.to_string())
    }

    fn lane(&self) -> Option<String> {
        Some(lane(self.tenant))
    }

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

impl Advance {
    /// The key as the queue keeps it.
    pub(crate) fn stored_key(&self) -> String {
        format!("{}:{}", Self::KIND, self.run)
    }
}

/// Runs the jobs that take a run on.
pub(crate) fn handler(service: &Service) -> Handler {
    let service = service.clone();
    let base = Duration::from_millis(service.config.jobs.provisioning_retry_base_ms);
    Handler::new(Backoff { base, max: DELAY_MAX }, move |job: Advance, _| {
        let service = service.clone();
        async move { Engine { service: &service, job: &job }.run().await }
    })
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
            let kind = run.kind;
            let (ordinal, undo) = match next(&run, &steps) {
                Next::Nothing => return Ok(()),
                Next::Done => return Ok(self.finish(&run, RunVerb::Finish).await?),
                Next::Unwound => return Ok(self.finish(&run, RunVerb::Unwind).await?),
                Next::Do(ordinal) => (ordinal, false),
                Next::Undo(ordinal) => (ordinal, true),
            };
            let Some(row) = steps.iter().find(|step| step.ordinal == ordinal) else { return Ok(()) };
            let step = Step { service: self.service, run: &run, kind, row, outside: self.service.outside() };
            let after = if undo { self.undo(&step).await? } else { self.perform(&step).await? };
            if let After::Rest = after {
                return Ok(());
            }
        }
    }

    async fn perform(&self, step: &Step<'_>) -> Result<After, JobError> {
        let waited = step.row.status == StepStatus::Running && step.row.waits_for.is_some();
        let begun = if step.goes_outside() {
            // Noted before anything is sent, so that what may have had an effect is undone.
            let begin = async |tx: &mut Tx| ops::note(tx, step.row, Note::Begun { again: waited }).await;
            self.service.db.write(&ctx(), self.job.tenant, begin).await?
        } else {
            ops::begun(step.row, waited, self.service.db.clock().now())
        };
        match self.attempt(step, &begun).await {
            Ok(()) => {
                crash_point!(&format!("provisioning.{}.after", step.row.name));
                Ok(After::GoOn)
            }
            Err(stop) => self.stopped(step, &begun, stop).await,
        }
    }

    async fn attempt(&self, step: &Step<'_>, begun: &step::Model) -> Result<(), Stop> {
        let name = &step.row.name;
        crash_point!(&format!("provisioning.{name}.before"));
        let tenant = self.tenant().await?;
        self.fail(&tenant.slug, name, "before")?;
        let mut learnt = again_at_once(async || step.outside(&tenant).await).await?;
        let twice = self.is_repeated(&tenant.slug, name, "twice");
        if twice {
            learnt = again_at_once(async || step.outside(&tenant).await).await?;
        }
        crash_point!(&format!("provisioning.{name}.during"));
        self.fail(&tenant.slug, name, "during")?;
        let last = step.kind.steps().last() == Some(&name.as_str());
        let calls = step.outside.calls();
        let work = async |tx: &mut Tx| {
            // Somebody may have given the run up meanwhile: then this must not be noted as done.
            ops::require_running(tx, step.run).await?;
            step.perform(tx, &learnt).await?;
            if twice {
                step.perform(tx, &learnt).await?;
            }
            ops::note(tx, begun, Note::Done { calls: &calls }).await?;
            if last {
                // With the tenant's new status, or an active tenant could have an open run that is in the way of the next.
                ops::go(tx, step.run, RunVerb::Finish).await?;
            }
            Ok::<_, Stop>(())
        };
        self.service.db.write(&ctx(), self.job.tenant, work).await
    }

    async fn tenant(&self) -> Result<entity::tenancy::tenant::Model, Problem> {
        self.service.db.read(self.job.tenant, async |view| tenancy::get(view).await).await
    }

    /// Where a test makes a step of one tenant fail.
    fn fail(&self, slug: &str, step: &str, moment: &str) -> Result<(), Stop> {
        match injected(&format!("provisioning.{slug}.{step}.{moment}")) {
            Some(why) => Err(Stop::Never { why }),
            None => Ok(()),
        }
    }

    /// Where a test has a step of one tenant done, or undone, twice in a row.
    fn is_repeated(&self, slug: &str, step: &str, what: &str) -> bool {
        injected(&format!("provisioning.{slug}.{step}.{what}")).is_some()
    }

    /// A step is not through: it waits, is tried again, or the run is given up and unwound.
    async fn stopped(&self, step: &Step<'_>, begun: &step::Model, stop: Stop) -> Result<After, JobError> {
        let calls = step.outside.calls();
        let (after, why, helps) = match stop {
            Stop::Wait { after, why } => {
                self.rest(begun, Note::Waits { why: &why, calls: &calls }, after).await?;
                return Ok(After::Rest);
            }
            Stop::Again { after, why } => (after, why, true),
            Stop::Never { why } => (None, why, false),
        };
        let most = i64::from(self.service.config.jobs.provisioning_attempts_max);
        let unwind = gives_up(step.kind) && (!helps || begun.attempts >= most);
        let work = async |tx: &mut Tx| {
            ops::note(tx, begun, Note::Failed { why: &why, calls: &calls }).await?;
            // Where it isn't Running any more, somebody ended it meanwhile: the next look sees how.
            Ok::<_, DbError>(!unwind || ops::go(tx, step.run, RunVerb::GiveUp).await?)
        };
        let is_so = self.service.db.write(&ctx(), self.job.tenant, work).await?;
        if !is_so {
            return Ok(After::GoOn);
        }
        if unwind {
            let (step, attempts) = (&step.row.name, begun.attempts);
            tracing::warn!(step, attempts, why, "the run is given up and unwound");
            return Ok(After::GoOn);
        }
        Err(JobError::Retry { reason: format!("{}: {why}", step.row.name), after })
    }

    /// Notes what is waited for, and leaves the job that looks again: the attempts of this one don't grow.
    async fn rest(&self, begun: &step::Model, note: Note<'_>, after: Duration) -> Result<(), DbError> {
        let work = async |tx: &mut Tx| {
            ops::note(tx, begun, note).await?;
            let at = tx.now() + TimeDelta::from_std(after).unwrap_or(TimeDelta::minutes(5));
            tx.enqueue_at(self.job, Some(at));
            Ok::<_, DbError>(())
        };
        self.service.db.write(&ctx(), self.job.tenant, work).await
    }

    async fn undo(&self, step: &Step<'_>) -> Result<After, JobError> {
        crash_point!(&format!("provisioning.{}.undo", step.row.name));
        let undone = async {
            let tenant = self.tenant().await?;
            again_at_once(async || step.undo_outside(&tenant).await).await?;
            let twice = self.is_repeated(&tenant.slug, &step.row.name, "undone_twice");
            if twice {
                again_at_once(async || step.undo_outside(&tenant).await).await?;
            }
            crash_point!(&format!("provisioning.{}.undoing", step.row.name));
            let calls = step.outside.calls();
            let work = async |tx: &mut Tx| {
                step.undo(tx).await?;
                if twice {
                    step.undo(tx).await?;
                }
                ops::note(tx, step.row, Note::Compensated { calls: &calls }).await?;
                Ok::<_, Stop>(())
            };
            self.service.db.write(&ctx(), self.job.tenant, work).await
        };
        let (after, why) = match undone.await {
            Ok(()) => return Ok(After::GoOn),
            Err(Stop::Wait { after, why }) => {
                let calls = step.outside.calls();
                self.rest(step.row, Note::Undoes { why: &why, calls: &calls }, after).await?;
                return Ok(After::Rest);
            }
            Err(Stop::Again { after, why }) => (after, why),
            // What can't be undone is tried on: somebody has to look, and the run stays where they can see it.
            Err(Stop::Never { why }) => (None, why),
        };
        let calls = step.outside.calls();
        let note = Note::Undoes { why: &why, calls: &calls };
        let work = async |tx: &mut Tx| ops::note(tx, step.row, note).await;
        self.service.db.write(&ctx(), self.job.tenant, work).await?;
        Err(JobError::Retry { reason: format!("undoing {}: {why}", step.row.name), after })
    }

    async fn finish(&self, run: &run::Model, verb: RunVerb) -> Result<(), Problem> {
        let failed = verb == RunVerb::Unwind;
        let work = async |tx: &mut Tx| {
            if !ops::go(tx, run, verb).await? {
                return Ok(());
            }
            match run.kind {
                Kind::Provision if failed => {
                    let row = tenancy::transition(tx, Verb::Fail).await?.row;
                    tenancy::record_event(tx, &row, TenantEvent::Failed, "tenant.fail");
                }
                Kind::Move if failed => {
                    let row = tenancy::get(tx).await?;
                    tenancy::record_event(tx, &row, TenantEvent::MoveFailed, "tenant.move_fail");
                }
                Kind::Provision | Kind::Move | Kind::Deprovision | Kind::Repair => {}
            }
            Ok::<_, Problem>(())
        };
        self.service.db.write(&ctx(), self.job.tenant, work).await
    }
}

/// Looks again at once where the wait is over before it begins, a bounded number of times.
async fn again_at_once<T>(look: impl AsyncFn() -> Result<T, Stop>) -> Result<T, Stop> {
    for _ in 1..LOOKS_MAX {
        match look().await {
            Err(Stop::Wait { after, .. }) if after.is_zero() => {}
            other => return other,
        }
    }
    look().await
}
