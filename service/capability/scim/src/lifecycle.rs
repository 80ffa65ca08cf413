//! A directory goes back to a moment: a job puts back some things in each transaction.

use std::time::Duration;

use entity::directory::restore;
use entity::ids::OrganizationId;
use platform::jobs::{Backoff, Class, Handler, Job, JobError, JobRun};
use platform::refusal::{Classified as _, Retry};
use platform::{Ctx, Timestamp, Tx, Work as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::{Service, TenantService};

use crate::error::Error;

/// Things put back in one transaction: on SQLite everybody else waits for it.
const BATCH: usize = 100;
/// How long identity providers are told to wait before the first thing is put back: until every process knows.
const START_DELAY: chrono::TimeDelta = chrono::TimeDelta::milliseconds(1_500);

/// Begins a restore; a job does it.
pub(crate) async fn begin(
    tx: &mut Tx,
    organization: Uuid,
    moment: Timestamp,
) -> Result<restore::Model, Error> {
    let row = directory::begin_restore(tx, organization, moment).await?;
    let job = Restore { tenant: tx.tenant(), organization, restore: row.id };
    tx.enqueue_at(&job, Some(tx.now() + START_DELAY));
    Ok(row)
}

/// Goes on with a restore.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Restore {
    tenant: Uuid,
    organization: Uuid,
    restore: Uuid,
}

impl Job for Restore {
    const KIND: &'static str = "directory.restore";
    const CLASS: Class = Class::Directory;
    const ATTEMPTS_MAX: u32 = 8;

    fn lane(&self) -> Option<String> {
        Some(format!("directory:{}", self.organization))
    }

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Runs restores.
pub(crate) fn handler(service: &Service) -> Handler {
    let service = service.clone();
    let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
    Handler::new(backoff, move |job: Restore, run| go_on(service.of(job.tenant), job, run))
}

async fn go_on(service: TenantService, job: Restore, run: JobRun) -> Result<(), JobError> {
    let ctx = Ctx { request_id: run.request_id, ..Ctx::system("directory restore") };
    let read = async |view: &platform::View| {
        directory::restore_items(view, OrganizationId(job.organization), job.restore).await
    };
    let Some(items) = service.db.read(read).await? else { return Ok(()) };
    loop {
        platform::crash_point!("restore.before_batch");
        let step = async |tx: &mut platform::Tx| {
            let registry = crate::state::registry(tx).await?;
            let organization = OrganizationId(job.organization);
            Ok::<_, Error>(directory::go_on(tx, &registry, organization, job.restore, &items, BATCH).await?)
        };
        match service.db.write(&ctx, step).await {
            Ok(true) => return Ok(()),
            Ok(false) => platform::crash_point!("restore.after_batch"),
            Err(error) => {
                let is_over = error.retry() == Retry::Never || run.last;
                let (why, failed) = error.into_failure();
                if is_over {
                    let end = async |tx: &mut platform::Tx| {
                        directory::fail_restore(tx, OrganizationId(job.organization), job.restore, &why).await
                    };
                    service.db.write(&ctx, end).await?;
                }
                return Err(failed);
            }
        }
    }
}
