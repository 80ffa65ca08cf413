//! What changes a tenant's flags is heard, and tenants are evaluated anew: one, or all, a batch at a time.

pub(crate) mod push_flags;

use std::collections::BTreeSet;

use entity::flags::flag;
use entity::platform::outbox_event;
use entity::tenancy::status::Status;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use modules::ModuleChanged;
use platform::event::Emitted as _;
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, Timestamp, Tx, Work as _};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::PlatformService;

use self::push_flags::PushFlags;
use crate::error::Error;
use crate::ops::{self, FlagChanged};
use crate::push;
use crate::refresh::refresh;

/// Tenants that one step of a fan-out covers: what a single change has to wait for at most.
const FANOUT_BATCH: u64 = 100;
/// Re-evaluations run one at a time: two of one tenant at once would be in each other's way.
const LANE: &str = "flags";

/// Evaluates some tenants anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) tenants: Vec<Uuid>,
}

impl Job for Refresh {
    const KIND: &'static str = "flags.refresh";
    const CLASS: Class = Class::Maintenance;

    fn lane(&self) -> Option<String> {
        Some(LANE.to_owned())
    }
}

/// Evaluates the flags of the tenant anew and lets every module have them.
pub fn refresh_tenant(tx: &mut Tx) {
    let tenants = vec![tx.tenant()];
    tx.enqueue(&Refresh { tenants });
}

/// Evaluates all tenants anew, a batch at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FanOut {
    /// For this module; `None`: for all.
    module: Option<Uuid>,
    /// Tenants after this one.
    after: Uuid,
}

impl FanOut {
    fn from_the_start(module: Option<Uuid>) -> Self {
        Self { module, after: Uuid::nil() }
    }
}

impl Job for FanOut {
    const KIND: &'static str = "flags.fan_out";
    const CLASS: Class = Class::Maintenance;

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{:?}:{}", self.module, self.after))
    }

    fn lane(&self) -> Option<String> {
        Some(LANE.to_owned())
    }
}

/// The moment at which a schedule changes what tenants get.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScheduledChange {
    flag: String,
    at: Timestamp,
}

impl Job for ScheduledChange {
    const KIND: &'static str = "flags.turn";
    const CLASS: Class = Class::Maintenance;

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.flag, self.at.timestamp_micros()))
    }
}

/// Leaves the next turn of a flag's schedules, if there is one.
async fn schedule(tx: &mut PlatformTx, key: &str) -> Result<(), DbError> {
    let found = tx.one(tx.platform::<flag::Entity>().filter(flag::Column::Key.eq(key))).await?;
    let Some(definition) = found.and_then(|row| ops::definition(&row).ok()) else { return Ok(()) };
    if let Some(at) = definition.next_change(tx.now()) {
        tx.enqueue_at(&ScheduledChange { flag: key.to_owned(), at }, Some(at));
    }
    Ok(())
}

async fn apply_scheduled_change(service: PlatformService, job: ScheduledChange) -> Result<(), JobError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        // One that was set for a schedule that is no more does no harm: modules are told only what differs.
        tx.emit(&FlagChanged { key: job.flag });
        Ok::<_, DbError>(())
    };
    Ok(service.db.write(&Ctx::system("flags"), work).await?)
}

/// Hears what changes a tenant's flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlagsChanged;

impl Subscriber for FlagsChanged {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [&'a outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        hear(tx, events).boxed_local()
    }
}

async fn hear(tx: &mut PlatformTx, events: &[&outbox_event::Model]) -> Result<(), DbError> {
    let mut tenants = BTreeSet::new();
    for event in events {
        if let Some(FlagChanged { key }) = event.read()? {
            tx.enqueue(&FanOut::from_the_start(None));
            schedule(tx, &key).await?;
        } else if let Some(ModuleChanged { module_id }) = event.read()? {
            tx.enqueue(&FanOut::from_the_start(Some(module_id)));
        } else {
            // Whatever else is heard happened to a tenant.
            tenants.extend(event.tenant_id);
        }
    }
    if !tenants.is_empty() {
        tx.enqueue(&Refresh { tenants: tenants.into_iter().collect() });
    }
    Ok(())
}

/// Compares what every module should have with what it has, and mends it: after hours of downtime, after a signal that was lost.
///
/// # Errors
/// `internal`.
pub async fn reconcile(service: &PlatformService) -> Result<(), Error> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        tx.enqueue(&FanOut::from_the_start(None));
        for module in modules::modules(tx).await? {
            tx.enqueue(&PushFlags { module: module.id, at: None });
        }
        Ok::<_, DbError>(())
    };
    Ok(service.db.write(&Ctx::system("flags"), work).await?)
}

/// Runs evaluations, fan-outs and pushes.
pub(crate) fn handlers(service: &PlatformService) -> Vec<Handler> {
    let some = service.clone();
    let (all, scheduled) = (some.clone(), some.clone());
    vec![
        Handler::new(Backoff::default(), move |job: ScheduledChange, _| {
            apply_scheduled_change(scheduled.clone(), job)
        }),
        Handler::new(Backoff::default(), move |job: Refresh, _| refresh_some(some.clone(), job)),
        Handler::new(Backoff::default(), move |job: FanOut, _| fan_out(all.clone(), job)),
        push::handler(service),
    ]
}

async fn refresh_some(service: PlatformService, job: Refresh) -> Result<(), JobError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let modules = modules::modules(tx).await?;
        let mut tenants = tenancy::of_ids(tx, &job.tenants).await?;
        tenants.retain(|tenant| tenant.status != Status::Deleted);
        refresh(tx, &modules, &tenants).await
    };
    Ok(service.db.write(&Ctx::system("flags"), work).await?)
}

async fn fan_out(service: PlatformService, job: FanOut) -> Result<(), JobError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let mut modules = modules::modules(tx).await?;
        modules.retain(|module| job.module.is_none_or(|only| only == module.id));
        let tenants = tenancy::in_use_after(tx, job.after, FANOUT_BATCH).await?;
        refresh(tx, &modules, &tenants).await?;
        if tenants.len() as u64 == FANOUT_BATCH
            && let Some(last) = tenants.last()
        {
            tx.enqueue(&FanOut { module: job.module, after: last.id });
        }
        Ok::<_, Error>(())
    };
    Ok(service.db.write(&Ctx::system("flags"), work).await?)
}
