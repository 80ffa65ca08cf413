//! Events become deliveries: now, and again when somebody wants them replayed.

pub(crate) mod deliver_events;

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use entity::platform::outbox_event;
use entity::webhooks::states::{DeliveryStatus, Format};
use entity::webhooks::{delivery, endpoint};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::event::EventType;
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Timestamp, Work as _, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use web::PlatformService;

use self::deliver_events::Deliver;
use crate::deliver::SecurityEvents;
use crate::ops::ENDPOINTS_MAX;
use crate::store::{self, Again};

/// Events that one step of a replay covers.
const REPLAY_BATCH: u64 = 500;

/// Turns the outbox' events into deliveries.
pub(crate) struct Fanout {
    /// Who knows what security events are.
    pub(crate) tokens: Rc<dyn SecurityEvents>,
    /// The type of event after which a tenant's deliveries go on.
    pub(crate) resumed: EventType,
}

impl Subscriber for Fanout {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [&'a outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        self.fan_out(tx, events).boxed_local()
    }

    /// A delivery for each receiver.
    fn rows_per_event<'a>(&'a self, view: &'a PlatformView) -> LocalBoxFuture<'a, Result<u64, DbError>> {
        async move {
            let enabled = view.platform::<endpoint::Entity>().filter(endpoint::Column::DisabledAt.is_null());
            view.count(enabled).await
        }
        .boxed_local()
    }
}

impl Fanout {
    async fn fan_out(&self, tx: &mut PlatformTx, events: &[&outbox_event::Model]) -> Result<(), DbError> {
        let enabled = tx
            .platform::<endpoint::Entity>()
            .filter(endpoint::Column::DisabledAt.is_null())
            .limit(ENDPOINTS_MAX);
        let endpoints = tx.all(enabled).await?;
        let now = tx.now();
        let mut rows = Vec::new();
        let mut wake = BTreeSet::new();
        for endpoint in &endpoints {
            let wanted = events.iter().filter(|event| wants(endpoint, &*self.tokens, &event.r#type));
            let before = rows.len();
            rows.extend(wanted.filter_map(|event| row(endpoint.id, event, now)));
            if rows.len() > before {
                wake.insert(endpoint.id);
            }
        }
        // What was held while a tenant was suspended goes on.
        for resumed in events.iter().filter(|event| event.r#type == self.resumed.name) {
            let held = tx.platform::<delivery::Entity>().select_only().column(delivery::Column::EndpointId);
            let held = held.distinct().filter(delivery::Column::Status.eq(DeliveryStatus::Pending));
            let held = held.filter(delivery::Column::TenantId.eq(resumed.tenant_id)).limit(ENDPOINTS_MAX);
            wake.extend(tx.tuples::<_, Uuid>(held).await?);
        }
        tx.insert_all(rows).await?;
        for endpoint in wake {
            tx.enqueue(&Deliver { endpoint, at: None });
        }
        Ok(())
    }
}

fn row(endpoint: Uuid, event: &outbox_event::Model, now: Timestamp) -> Option<delivery::Model> {
    Some(delivery::Model {
        id: ids::new(),
        endpoint_id: endpoint,
        event_id: event.id,
        tenant_id: event.tenant_id,
        r#type: event.r#type.clone(),
        sequence: event.sequence?,
        status: DeliveryStatus::Pending,
        attempts: 0,
        next_attempt_at: now,
        response_status: None,
        last_error: None,
        unreadable: false,
        created_at: now,
        delivered_at: None,
    })
}

/// Whether an endpoint asked for events of this type: by name, or by `noun.*`; who asked for none gets all.
fn wants(endpoint: &endpoint::Model, tokens: &dyn SecurityEvents, kind: &str) -> bool {
    let takes = match endpoint.format {
        Format::Webhook => true,
        Format::Set => tokens.covers(kind),
    };
    if !takes {
        return false;
    }
    let Value::Array(types) = &endpoint.event_types else { return false };
    types.is_empty() || types.iter().filter_map(Value::as_str).any(|wanted| is_of(kind, wanted))
}

/// Whether `kind` is `wanted`, or of its family: `user.*`.
fn is_of(kind: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(family) => kind.starts_with(family),
        None => kind == wanted,
    }
}

/// Makes deliveries of events of the past, a batch at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) endpoint: Uuid,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// What was delivered too, and not only what is missing or dead.
    pub(crate) all: bool,
    /// Events after this one's sequence.
    pub(crate) after: i64,
}

impl Job for Replay {
    const KIND: &'static str = "webhook.replay";
    const CLASS: Class = Class::Maintenance;

    fn lane(&self) -> Option<String> {
        Some(format!("replay:{}", self.endpoint))
    }
}

/// Runs replays.
pub(crate) fn replays(service: &PlatformService, tokens: Rc<dyn SecurityEvents>) -> Handler {
    let service = service.clone();
    Handler::new(Backoff::default(), move |job: Replay, _| replay(service.clone(), tokens.clone(), job))
}

async fn replay(
    service: PlatformService,
    tokens: Rc<dyn SecurityEvents>,
    job: Replay,
) -> Result<(), JobError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let found = tx.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(job.endpoint));
        let Some(endpoint) = tx.one(found).await? else { return Ok(()) };
        let select = tx.across::<outbox_event::Entity>();
        let select = select
            .filter(outbox_event::Column::Sequence.gt(job.after))
            .filter(outbox_event::Column::OccurredAt.gte(job.since))
            .filter(outbox_event::Column::OccurredAt.lt(job.until));
        let select = select.order_by_asc(outbox_event::Column::Sequence).limit(REPLAY_BATCH);
        let events = tx.all(select).await?;
        let wanted: Vec<_> =
            events.iter().filter(|event| wants(&endpoint, &*tokens, &event.r#type)).collect();
        again(tx, &job, &wanted).await?;
        tx.enqueue(&Deliver { endpoint: endpoint.id, at: None });
        if events.len() as u64 == REPLAY_BATCH
            && let Some(after) = events.last().and_then(|event| event.sequence)
        {
            tx.enqueue(&Replay { after, ..job.clone() });
        }
        Ok::<_, DbError>(())
    };
    Ok(service.db.write(&Ctx::system("webhooks"), work).await?)
}

/// Deliveries that are there begin anew, those that aren't are made.
async fn again(tx: &mut PlatformTx, job: &Replay, events: &[&outbox_event::Model]) -> Result<(), DbError> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    let there = tx.platform::<delivery::Entity>().select_only().column(delivery::Column::EventId);
    let there = there
        .filter(delivery::Column::EndpointId.eq(job.endpoint))
        .filter(delivery::Column::EventId.is_in(ids.iter().copied()));
    let there: HashSet<Uuid> = tx.tuples(there).await?.into_iter().collect();
    let which = if job.all { Again::Over } else { Again::Dead };
    store::begin_again(tx, job.endpoint, which, &ids).await?;
    let missing = events.iter().filter(|event| !there.contains(&event.id));
    tx.insert_all(missing.filter_map(|event| row(job.endpoint, event, tx.now())).collect()).await
}
