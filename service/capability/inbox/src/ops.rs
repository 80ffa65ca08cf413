//! Events are stored once and processed by a job.

use std::time::Duration;

use entity::inbox::event::{Column, Entity, Model};
use entity::inbox::source::Source;
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Work as _, crash_point};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use web::{PlatformService, Service};

use crate::processed::Processed;
use crate::store::Incoming;
use crate::{store, stripe, zitadel};

/// Does what an event means.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Process {
    source: Source,
    id: String,
}

impl Job for Process {
    const KIND: &'static str = "inbox.process";
    const CLASS: Class = Class::Inbox;
    const ATTEMPTS_MAX: u32 = 12;

    /// What is told of one organization or person of Zitadel's is processed one after the other.
    fn lane(&self) -> Option<String> {
        match self.source {
            Source::Stripe => None,
            // The id ends with the number of the event.
            Source::Zitadel => {
                self.id.rsplit_once(':').map(|(aggregate, _)| format!("{}:{aggregate}", self.source))
            }
        }
    }

    fn dedupe_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.source, self.id))
    }
}

fn ctx() -> Ctx {
    Ctx::system("inbox")
}

/// Keeps an event that came with a request, unless it is there; answers whether it was new.
pub(crate) async fn receive(
    service: &PlatformService,
    request: &Ctx,
    event: Incoming,
) -> Result<bool, DbError> {
    let work = async |tx: &mut PlatformTx| {
        if !store::insert(tx, &event).await? {
            tx.housekeeping();
            return Ok::<_, DbError>(false);
        }
        tx.record("inbox.receive", Target::new("inbox_event", format!("{}:{}", event.source, event.id)));
        tx.enqueue(&Process { source: event.source, id: event.id.clone() });
        Ok(true)
    };
    let (request_id, ip_address) = (request.request_id.clone(), request.ip_address);
    let fresh = service.db.write(&Ctx { request_id, ip_address, ..ctx() }, work).await?;
    crash_point!("inbox.received");
    Ok(fresh)
}

/// Runs the jobs that process events.
pub(crate) fn handler(service: &Service) -> Handler {
    let service = service.clone();
    let backoff = Backoff { base: Duration::from_secs(2), max: Duration::from_secs(3600) };
    Handler::new(backoff, move |job: Process, _| {
        let service = service.clone();
        async move { process(&service, &job).await }
    })
}

async fn process(service: &Service, job: &Process) -> Result<(), JobError> {
    let find = async |view: &PlatformView| {
        let select = view.platform::<Entity>().filter(Column::Source.eq(job.source));
        view.one(select.filter(Column::Id.eq(&job.id))).await
    };
    let Some(event) = service.db.read_platform(find).await? else { return Ok(()) };
    if event.processed_at.is_some() {
        return Ok(());
    }
    crash_point!("inbox.processing");
    let processed = match job.source {
        Source::Stripe => stripe::process(service, &event).await?,
        Source::Zitadel => zitadel::process(service, &event).await?,
    };
    crash_point!("inbox.processed");
    match processed {
        Processed::As(outcome) => Ok(record_outcome(service, &event, &outcome).await?),
        Processed::NotYet(why) => Err(JobError::retry(why)),
    }
}

async fn record_outcome(service: &PlatformService, event: &Model, outcome: &str) -> Result<(), DbError> {
    tracing::debug!(
        source = event.source.as_str(),
        id = event.id,
        kind = event.r#type,
        outcome,
        "an event was processed"
    );
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        store::record_outcome(tx, event, outcome).await
    };
    service.db.write(&ctx(), work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_one_person_is_processed_in_one_lane() {
        let lane = |source: Source, id: &str| Process { source, id: id.to_owned() }.lane();
        assert_eq!(lane(Source::Zitadel, "1:bob:12").as_deref(), Some("zitadel:1:bob"));
        assert_eq!(lane(Source::Zitadel, "1:bob:11"), lane(Source::Zitadel, "1:bob:12"));
        assert_ne!(lane(Source::Zitadel, "1:ann:12"), lane(Source::Zitadel, "1:bob:12"));
        assert_eq!(lane(Source::Stripe, "evt_1"), None);
    }
}
