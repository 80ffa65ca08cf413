//! The pool scales out before it is full, and runs that wait for capacity are woken when there is some.

use std::time::Duration;

use chrono::TimeDelta;
use entity::platform::outbox_event;
use entity::provisioning::deployment;
use entity::provisioning::states::DeploymentStatus;
use entity::tenancy::instance;
use entity::tenancy::states::{Driver, Mode};
use futures_util::future::LocalBoxFuture;
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Tx, Work, crash_point};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use tenancy::Place;
use web::{PlatformService, Tools};

use crate::advance::Advance;
use crate::deployments;
use crate::model::StepError;
use crate::settings::{Instances, Retries};
use crate::store;

/// Runs that are woken by one instance with capacity.
const WOKEN_MAX: i64 = 50;
/// Deployments of one pool in one region.
const NUMBER_MAX: u64 = 10_000;

/// Makes the next shared instance of a driver in a region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScaleOut {
    driver: Driver,
    region: String,
}

impl Job for ScaleOut {
    const KIND: &'static str = "instances.scale_out";
    const CLASS: Class = Class::Provisioning;
    const ATTEMPTS_MAX: u32 = 2_000;

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.driver, self.region))
    }

    fn lane(&self) -> Option<String> {
        Some(format!("scale_out:{}:{}", self.driver, self.region))
    }
}

platform::events! {
    /// The shared instances are nearly full.
    pub(crate) struct CapacityLow = "instance.capacity_low" { driver: Driver, mode: Mode, region: Option<String> }
}

/// Whether Azure makes the next instance of this driver.
fn scales_out_at_azure(tools: &Tools, driver: Driver, mode: Mode) -> bool {
    let wants = driver == Driver::Azure || tools.config.section::<Instances>().scale_out == "azure";
    wants && mode == Mode::Shared && azure::is_configured(tools.config.section::<azure::Settings>())
}

/// There is no capacity for a tenant: the pool must scale out now.
pub(crate) async fn ask(service: &PlatformService, place: &Place) -> Result<(), StepError> {
    if !scales_out_at_azure(service, place.driver, place.mode) {
        return Ok(());
    }
    let job =
        ScaleOut { driver: place.driver, region: deployments::region(service, place.region.as_deref()) };
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        tx.enqueue(&job);
        Ok::<_, DbError>(())
    };
    Ok(service.db.write(&Ctx::system("scale out"), work).await?)
}

/// A tenant came to an instance: if that fills up and no other has room, the next one is made ahead.
pub(crate) async fn ahead(tx: &mut Tx, tools: &Tools, id: uuid::Uuid) -> Result<(), DbError> {
    let Some(row) = tenancy::find_instance(tx, id).await? else { return Ok(()) };
    let percent = i64::from(tools.config.section::<Instances>().scale_out_at_percent);
    let fills = |row: &instance::Model| row.tenant_count * 100 >= row.capacity * percent;
    // Told once, when the share is crossed; not again with each tenant after it.
    let before = instance::Model { tenant_count: row.tenant_count - 1, ..row.clone() };
    if row.mode != Mode::Shared || !fills(&row) || fills(&before) {
        return Ok(());
    }
    let others = tenancy::active_instances(tx, row.driver, row.mode, row.region.as_deref()).await?;
    if others.iter().any(|other| !fills(other)) {
        return Ok(());
    }
    tx.record("instance.capacity_low", Target::new("instance", row.id));
    tx.emit(&CapacityLow { driver: row.driver, mode: row.mode, region: row.region.clone() });
    if scales_out_at_azure(tools, row.driver, row.mode) {
        let region = deployments::region(tools, row.region.as_deref());
        tx.enqueue(&ScaleOut { driver: row.driver, region });
    }
    Ok(())
}

/// Runs the jobs that make the next instance.
pub(crate) fn handler(service: &PlatformService) -> Handler {
    let service = service.clone();
    let base = Duration::from_millis(service.config.section::<Retries>().provisioning_retry_base_ms);
    Handler::new(Backoff { base, max: Duration::from_secs(300) }, move |job: ScaleOut, _| {
        let service = service.clone();
        async move { scale_out(&service, &job).await }
    })
}

/// Whether the pool has an instance that isn't filling up.
async fn has_enough(service: &PlatformService, job: &ScaleOut) -> Result<bool, DbError> {
    let percent = i64::from(service.config.section::<Instances>().scale_out_at_percent);
    let find = async |view: &PlatformView| {
        tenancy::active_instances(view, job.driver, Mode::Shared, Some(&job.region)).await
    };
    let rows = service.db.read(find).await?;
    Ok(rows.iter().any(|row| row.tenant_count * 100 < row.capacity * percent))
}

async fn scale_out(service: &PlatformService, job: &ScaleOut) -> Result<(), JobError> {
    let row = match under_way(service, job).await? {
        Some(row) => row,
        None if has_enough(service, job).await? => return Ok(()),
        None => {
            let number = next_number(service, job).await?;
            let plan = azure::for_pool(job.driver, &job.region, number);
            deployments::ensure(service, &plan).await.map_err(retry)?
        }
    };
    crash_point!("instances.scale_out.before");
    let outside = service.outside();
    let removes = matches!(row.status, DeploymentStatus::Failed | DeploymentStatus::Deleting);
    let done = if removes {
        deployments::remove(service, &outside, row).await.map(|()| None)
    } else {
        deployments::drive(service, &outside, row).await.map(Some)
    };
    crash_point!("instances.scale_out.after");
    match done {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(JobError::Fail("the deployment failed and was removed".to_owned())),
        Err(StepError::Pending { after, why: _ }) => again(service, job, after).await,
        // It is failed now, and removed by the next look.
        Err(StepError::Permanent { why }) => {
            let driver = job.driver.as_str();
            tracing::warn!(driver, region = job.region, why, "an instance could not be made");
            again(service, job, Duration::ZERO).await
        }
        Err(stop) => Err(retry(stop)),
    }
}

pub(crate) fn retry(stop: StepError) -> JobError {
    match stop {
        StepError::Pending { after, why } => JobError::Retry { reason: why, after: Some(after) },
        StepError::Transient { after, why } => JobError::Retry { reason: why, after },
        StepError::Permanent { why } => JobError::Fail(why),
    }
}

/// Leaves the job that looks again: the attempts of this one don't grow.
pub(crate) async fn again(
    service: &PlatformService,
    job: &impl Job,
    after: Duration,
) -> Result<(), JobError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let at = tx.now() + TimeDelta::from_std(after).unwrap_or(TimeDelta::minutes(5));
        tx.enqueue_at(job, Some(at));
        Ok::<_, DbError>(())
    };
    Ok(service.db.write(&Ctx::system("scale out"), work).await?)
}

fn prefix(job: &ScaleOut) -> String {
    format!("pool:{}:{}:", job.driver, job.region)
}

/// A deployment of this pool that isn't through.
async fn under_way(service: &PlatformService, job: &ScaleOut) -> Result<Option<deployment::Model>, DbError> {
    let find = async |view: &PlatformView| {
        let through = [DeploymentStatus::Succeeded, DeploymentStatus::Deleted];
        let select = view
            .platform::<deployment::Entity>()
            .filter(deployment::Column::Purpose.starts_with(prefix(job)))
            .filter(deployment::Column::Status.is_not_in(through));
        view.one(select.order_by_asc(deployment::Column::Id)).await
    };
    service.db.read(find).await
}

/// The lowest number that no deployment of this pool has.
async fn next_number(service: &PlatformService, job: &ScaleOut) -> Result<u64, DbError> {
    let find = async |view: &PlatformView| {
        view.all(deployments::live(view).filter(deployment::Column::Purpose.starts_with(prefix(job)))).await
    };
    let taken: Vec<String> = service.db.read(find).await?.into_iter().map(|row| row.purpose).collect();
    let free = (1..NUMBER_MAX).find(|number| !taken.contains(&format!("{}{number}", prefix(job))));
    Ok(free.unwrap_or(NUMBER_MAX))
}

/// Wakes runs that wait for room when an instance has some.
#[derive(Debug)]
pub(crate) struct CapacityAvailable;

impl Subscriber for CapacityAvailable {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        _: &'a [&'a outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        Box::pin(async move {
            tx.housekeeping();
            store::wake_waiting_for_capacity(tx, Advance::KIND, WOKEN_MAX).await
        })
    }
}
