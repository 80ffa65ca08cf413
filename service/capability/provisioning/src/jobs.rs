//! A run goes on: one step after the other, each committed before the next begins.

use std::time::Duration;

use entity::provisioning::{run, step};
use platform::jobs::{Backoff, Handler, Job, JobError};
use platform::{Ctx, Tx, Work as _, crash_point};
use serde::{Deserialize, Serialize};
use tenancy::{Status, TenantEvent};
use uuid::Uuid;
use web::{Problem, Service};

use crate::model::{Kind, Next, next};
use crate::ops;
use crate::steps::Step;

/// No delay between attempts is longer.
const DELAY_MAX: Duration = Duration::from_secs(300);

/// Takes a run on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Advance {
    pub(crate) tenant: Uuid,
    pub(crate) run: Uuid,
}

impl Job for Advance {
    const KIND: &'static str = "provisioning.advance";
    // The run itself decides when to give up; the job only carries it.
    const ATTEMPTS_MAX: u32 = 10_000;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.run.to_string())
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
pub fn handler(service: &Service) -> Handler {
    let service = service.clone();
    let base = Duration::from_millis(service.config.jobs.provisioning_retry_base_ms);
    Handler::new(Backoff { base, max: DELAY_MAX }, move |job: Advance, _| advance(service.clone(), job))
}

async fn advance(service: Service, job: Advance) -> Result<(), JobError> {
    loop {
        let loaded = service.db.read(job.tenant, async |view| ops::load(view, job.run).await).await?;
        let Some((run, steps)) = loaded else { return Ok(()) };
        let kind = if run.kind == "provision" { Kind::Provision } else { Kind::Deprovision };
        let at = |ordinal: i64| steps.iter().find(|step| step.ordinal == ordinal);
        match next(&run, &steps) {
            Next::Nothing => return Ok(()),
            Next::Done => return Ok(finish(&service, &job, &run, "done").await?),
            Next::Unwound => return Ok(finish(&service, &job, &run, "failed").await?),
            Next::Do(ordinal) => {
                let Some(row) = at(ordinal) else { return Ok(()) };
                let step = Step { service: &service, run: &run, kind, name: &row.name };
                if let Err(problem) = perform(&service, &job, &step, row).await {
                    give_up_or_retry(&service, &job, &run, row, kind, problem).await?;
                }
            }
            Next::Undo(ordinal) => {
                let Some(row) = at(ordinal) else { return Ok(()) };
                let step = Step { service: &service, run: &run, kind, name: &row.name };
                undo(&service, &job, &step, row).await?;
            }
        }
    }
}

fn ctx() -> Ctx {
    Ctx::system("provisioning")
}

async fn perform(
    service: &Service,
    job: &Advance,
    step: &Step<'_>,
    row: &step::Model,
) -> Result<(), Problem> {
    let begun =
        service.db.write(&ctx(), job.tenant, async |tx| ops::note(tx, row, "running", None).await).await?;
    crash_point!(&format!("provisioning.{}.before", step.name));
    let tenant = service.db.read(job.tenant, async |view| tenancy::get(view).await).await?;
    step.before(&tenant).await?;
    crash_point!(&format!("provisioning.{}.during", step.name));
    let last = step.kind.steps().last() == Some(&step.name);
    let work = async |tx: &mut Tx| {
        step.perform(tx).await?;
        ops::note(tx, &begun, "done", None).await?;
        if last {
            // With the tenant's new status, or an active tenant could have an open run that is in the way of the next.
            ops::note_run(tx, step.run, "done").await?;
        }
        Ok::<_, Problem>(())
    };
    service.db.write(&ctx(), job.tenant, work).await?;
    crash_point!(&format!("provisioning.{}.after", step.name));
    Ok(())
}

/// A step failed. Provisioning is tried some times and then unwound; deprovisioning is tried until it is through.
async fn give_up_or_retry(
    service: &Service,
    job: &Advance,
    run: &run::Model,
    row: &step::Model,
    kind: Kind,
    problem: Problem,
) -> Result<(), JobError> {
    let attempts = row.attempts + 1;
    let transient = problem.code.status().is_server_error() || problem.code == web::Code::Conflict;
    let give_up = !transient || attempts >= i64::from(service.config.jobs.provisioning_attempts_max);
    let unwind = kind == Kind::Provision && give_up;
    let text = problem.detail.clone();
    let work = async |tx: &mut Tx| {
        let begun = step::Model { attempts, started_at: row.started_at.or(Some(tx.now())), ..row.clone() };
        ops::note(tx, &begun, "failed", Some(&text)).await?;
        if unwind {
            ops::note_run(tx, run, "compensating").await?;
        }
        Ok::<_, Problem>(())
    };
    service.db.write(&ctx(), job.tenant, work).await?;
    if unwind {
        tracing::warn!(step = row.name, attempts, %problem, "provisioning is given up and unwound");
        return Ok(());
    }
    Err(JobError::retry(format!("{}: {problem}", row.name)))
}

async fn undo(service: &Service, job: &Advance, step: &Step<'_>, row: &step::Model) -> Result<(), Problem> {
    crash_point!(&format!("provisioning.{}.undo", step.name));
    let tenant = service.db.read(job.tenant, async |view| tenancy::get(view).await).await?;
    step.undo_before(&tenant).await?;
    let work = async |tx: &mut Tx| {
        step.undo(tx).await?;
        let error = row.error.clone();
        Ok::<_, Problem>(ops::note(tx, row, "compensated", error.as_deref()).await?)
    };
    service.db.write(&ctx(), job.tenant, work).await.map(drop)
}

async fn finish(service: &Service, job: &Advance, run: &run::Model, status: &str) -> Result<(), Problem> {
    let work = async |tx: &mut Tx| {
        tx.housekeeping();
        if status == "failed" {
            let row = tenancy::set_status(tx, Status::Failed).await?;
            tenancy::record_event(tx, &row, TenantEvent::Failed, "tenant.fail");
        }
        Ok::<_, Problem>(ops::note_run(tx, run, status).await?)
    };
    service.db.write(&ctx(), job.tenant, work).await
}
