//! Deliveries leave.
//!
//! Each endpoint is a queue and a lane: a run of [`Deliver`] takes what is due, in the order of events, and sends several tenants' at
//! once but each tenant's one after the other. A delivery that fails holds up what comes after it of the same tenant until its next
//! attempt, and nobody else; a receiver that fails whatever it gets is left alone for a while, then asked with one delivery whether it is
//! back. Results are written together after a round; who dies before that sends the round again, with the same `webhook-id`s.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

use ::delivery::{Queue, QueueState, RUN_MAX, Schedule, Verdict, post, verdict, work_off};
use entity::platform::outbox_event;
use entity::webhooks::states::{DeliveryStatus, Format};
use entity::webhooks::{delivery, endpoint};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use platform::event::Unreadable;
use platform::jobs::{Backoff, Handler, JobError};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Timestamp, Work as _, crash_point};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::envelope::{self, envelope};
use crate::jobs::deliver_events::Deliver;
use crate::results::{Attempted, Outcome, record_results};
use crate::store;

/// Deliveries of one round.
const ROUND: i64 = 200;
/// Tenants to whose events an endpoint listens at once.
const AT_ONCE: usize = 8;

/// Writes events as security event tokens (RFC 8417): whoever knows what they mean signs them.
pub trait SecurityEvents {
    /// Whether events of this type are for receivers of such tokens.
    fn covers(&self, kind: &str) -> bool;

    /// What the token for `audience` says; `None` for an event that is none.
    ///
    /// # Errors
    /// [`Unreadable`] for one that only a newer version of the service can read.
    fn claims(
        &self,
        tools: &Tools,
        event: &outbox_event::Model,
        audience: &str,
    ) -> Result<Option<Map<String, Value>>, Unreadable>;

    /// The token that says it.
    fn sign<'a>(
        &'a self,
        service: &'a PlatformService,
        claims: &'a Map<String, Value>,
    ) -> LocalBoxFuture<'a, Result<String, JobError>>;
}

/// Runs deliveries.
pub(crate) fn handler(service: &PlatformService, tokens: Rc<dyn SecurityEvents>) -> Handler {
    let service = service.clone();
    Handler::new(Backoff::default(), move |job: Deliver, _| {
        let sender = Sender { service: service.clone(), tokens: tokens.clone(), endpoint: job.endpoint };
        async move { work_off(&sender).await }
    })
}

/// A delivery that is due, and its event.
struct Due(delivery::Model, outbox_event::Model);

/// What is due for an endpoint.
struct Round {
    endpoint: endpoint::Model,
    due: Vec<Due>,
}

struct Sender {
    service: PlatformService,
    tokens: Rc<dyn SecurityEvents>,
    endpoint: Uuid,
}

impl Queue for Sender {
    type Round = Round;

    async fn state(&self) -> Result<QueueState<Round>, JobError> {
        Ok(self.due().await?)
    }

    async fn work(&self, round: Round) -> Result<(), JobError> {
        let done = self.send(&round).await?;
        Ok(record_results(&self.service, round.endpoint.id, done).await?)
    }

    async fn wake(&self, at: Option<Timestamp>) -> Result<(), JobError> {
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            tx.enqueue_at(&Deliver { endpoint: self.endpoint, at }, at);
            Ok::<_, DbError>(())
        };
        Ok(self.service.db.write(&Ctx::system("webhooks"), work).await?)
    }
}

impl Sender {
    /// What is due, in order; nothing if the endpoint is gone or disabled.
    async fn due(&self) -> Result<QueueState<Round>, DbError> {
        let id = self.endpoint;
        let read = async |view: &PlatformView| {
            let endpoint = view.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(id));
            let found = view.one(endpoint.filter(endpoint::Column::DisabledAt.is_null())).await?;
            let Some(endpoint) = found else { return Ok(QueueState::Nothing) };
            if let Some(until) = endpoint.paused_until.filter(|until| *until > view.now()) {
                return Ok(QueueState::Rest(until));
            }
            let limit = if Schedule::is_probing(endpoint.failures) { 1 } else { ROUND };
            let rows = store::due(view, id, limit).await?;
            let events = view
                .across::<outbox_event::Entity>()
                .filter(outbox_event::Column::Id.is_in(rows.iter().map(|row| row.event_id)));
            let events = view.all(events).await?;
            let mut events: HashMap<Uuid, _> = events.into_iter().map(|event| (event.id, event)).collect();
            let due =
                rows.into_iter().filter_map(|row| Some(Due(row.clone(), events.remove(&row.event_id)?)));
            let due: Vec<Due> = due.collect();
            if due.is_empty() {
                return Ok(next(view, id).await?.map_or(QueueState::Nothing, QueueState::Rest));
            }
            Ok(QueueState::Round(Round { endpoint, due }))
        };
        self.service.db.read(read).await
    }

    async fn send(&self, round: &Round) -> Result<Vec<Attempted>, JobError> {
        let secrets = crate::ops::secrets(&self.service, &round.endpoint)?;
        let url = Url::parse(&round.endpoint.url)
            .map_err(|_| JobError::Fail("the endpoint's URL can't be read".to_owned()))?;
        let mut chains: BTreeMap<Option<Uuid>, Vec<&Due>> = BTreeMap::new();
        for due in &round.due {
            chains.entry(due.0.tenant_id).or_default().push(due);
        }
        let (begun, failures) = (Instant::now(), Cell::new(round.endpoint.failures));
        let (url, secrets, failures) = (&url, &secrets, &failures);
        let sent = chains.into_values().map(|chain| {
            async move {
                let mut done = Vec::with_capacity(chain.len());
                for Due(row, event) in chain {
                    // What isn't tried now is tried in the next round, or when the receiver is back.
                    let tried =
                        failures.get() > round.endpoint.failures && Schedule::is_probing(failures.get());
                    if begun.elapsed() > RUN_MAX || tried {
                        break;
                    }
                    let one = self.attempt(&round.endpoint, url, secrets, row, event).await?;
                    let failed = one.verdict().is_some_and(|verdict| *verdict != Verdict::Delivered);
                    failures.set(match one.verdict() {
                        // It says nothing about the receiver.
                        None => failures.get(),
                        Some(Verdict::Delivered) => 0,
                        Some(_) => failures.get() + i64::from(one.counts(failures.get())),
                    });
                    done.push(one);
                    if failed {
                        break;
                    }
                }
                Ok::<_, JobError>(done)
            }
        });
        let all: Vec<_> = futures_util::stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
        Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    async fn attempt(
        &self,
        endpoint: &endpoint::Model,
        url: &Url,
        secrets: &[String],
        row: &delivery::Model,
        event: &outbox_event::Model,
    ) -> Result<Attempted, JobError> {
        let at = self.service.clock.now();
        let nothing = Attempted {
            row: row.clone(),
            at,
            milliseconds: 0,
            status: None,
            said: None,
            outcome: Outcome::Nothing,
        };
        let (media_type, body) = match endpoint.format {
            Format::Set => match self.tokens.claims(&self.service, event, &endpoint.id.to_string()) {
                Ok(None) => return Ok(nothing),
                Ok(Some(claims)) => {
                    ("application/secevent+jwt", self.tokens.sign(&self.service, &claims).await?)
                }
                Err(error) => {
                    if row.attempts == 0 {
                        tracing::error!(delivery = %row.id, %error, "a delivery waits for a newer replica");
                    }
                    return Ok(Attempted { outcome: Outcome::Unreadable, ..nothing });
                }
            },
            Format::Webhook => {
                (envelope::MEDIA_TYPE, Value::Object(envelope(&self.service, event)).to_string())
            }
        };
        crash_point!("webhook.before_send");
        let begun = Instant::now();
        let id = event.id.to_string();
        let answer = post(&self.service, url, secrets, &id, media_type, body.into_bytes()).await;
        crash_point!("webhook.after_send");
        let milliseconds = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        metrics::histogram!("tenantry_webhook_seconds").record(begun.elapsed().as_secs_f64());
        let verdict = verdict(&answer);
        let (status, said) = match answer {
            Ok(answer) => (Some(answer.status), Some(answer.beginning)),
            Err(_) => (None, None),
        };
        Ok(Attempted { milliseconds, status, said, outcome: Outcome::Asked(verdict), ..nothing })
    }
}

async fn next(view: &PlatformView, endpoint: Uuid) -> Result<Option<Timestamp>, DbError> {
    let waiting = view.platform::<delivery::Entity>().select_only();
    let waiting = waiting
        .column(delivery::Column::NextAttemptAt)
        .filter(delivery::Column::EndpointId.eq(endpoint))
        .filter(delivery::Column::Status.eq(DeliveryStatus::Pending))
        .filter(delivery::Column::NextAttemptAt.gt(view.now()));
    let waiting = waiting.order_by_asc(delivery::Column::NextAttemptAt).limit(1);
    Ok(view.tuples::<_, Timestamp>(waiting).await?.into_iter().next())
}
