//! Events, told to their subscribers after the commit that emitted them.
//!
//! A subscriber only leaves durable jobs behind, in the transaction that marks the event as dispatched: the outside
//! world is met by those jobs, each destination in its own lane. The drain is a reconciler: it asks what is not yet
//! dispatched, so a lost signal costs a poll interval and an event that commits late is not overtaken by a cursor.
//!
//! An event that a subscriber's statements refuse, or that only a newer version of the service can read, is dispatched alone, by a job of
//! its own: it is tried again, by whichever replica, ends as a dead letter that operators see, and holds up no other event.
//!
//! Telling gives each event its `sequence`. One dispatcher tells at a time, also of several replicas, so the sequence is an
//! order of commits: whoever has seen a number will never see a smaller one come after it. Readers follow by it.

use std::rc::Rc;
use std::time::Duration;

use entity::platform::{outbox_event, outbox_state};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use crate::db::Db;
use crate::event::EventType;
use crate::jobs::{Backoff, Class, Handler, Job};
use crate::tx::{CrossTenantStatement, Ctx, PlatformTx, PlatformView, Work};
use crate::{DbError, crash_point};

/// Events dispatched in one transaction.
const BATCH: u64 = 200;
/// Rows that one transaction writes for its events, about: with many receivers it takes fewer events.
const ROWS_MAX: u64 = 10_000;
/// From one look to the next, at least: under load the events of many commits go together, for a dispatch costs almost as much for one
/// as for fifty. The first after a pause goes at once.
const GATHERING: Duration = Duration::from_millis(50);
/// Events of other replicas that are passed on to this process' listeners at a time.
const HEARD_MAX: u64 = 1000;
const SET_LAST_SEQUENCE: CrossTenantStatement =
    CrossTenantStatement::new("UPDATE outbox_state SET last_sequence = $1");

/// Somebody who turns events into jobs.
pub trait Subscriber {
    /// Leaves the jobs that `events` ask for, of those that it hears; a batch at a time, so that what they share is read once.
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [&'a outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>>;

    /// How many rows one event makes at most, where that isn't about one.
    fn rows_per_event<'a>(&'a self, view: &'a PlatformView) -> LocalBoxFuture<'a, Result<u64, DbError>> {
        let _ = view;
        async { Ok(1) }.boxed_local()
    }
}

/// Which events a subscriber hears.
#[derive(Clone, Debug)]
pub enum Hears {
    /// All of them.
    All,
    /// Those of these types.
    Types(Vec<EventType>),
}

impl Hears {
    fn includes(&self, event: &outbox_event::Model) -> bool {
        match self {
            Hears::All => true,
            Hears::Types(types) => types.iter().any(|one| one.name == event.r#type),
        }
    }
}

/// A subscriber, and which events it hears.
pub struct Subscription {
    /// Which events.
    pub hears: Hears,
    /// Who.
    pub subscriber: Box<dyn Subscriber>,
}

/// Dispatches one event again that could not be dispatched with the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Dispatch {
    event: Uuid,
    tenant: Option<Uuid>,
}

impl Job for Dispatch {
    const KIND: &'static str = "outbox.dispatch";
    const CLASS: Class = Class::Maintenance;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.event.to_string())
    }

    fn tenant(&self) -> Option<Uuid> {
        self.tenant
    }
}

/// Who hears of the events of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recipients {
    /// The subscribers, at once.
    Subscribers,
    /// Nobody yet: a job for each event dispatches it.
    Jobs,
}

/// What one transaction dispatched, and whether there may be more.
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    dispatched: usize,
    is_full: bool,
}

/// Drains the outbox.
#[derive(Clone)]
pub struct Dispatcher {
    db: Db,
    poll: Duration,
    subscriptions: Rc<Vec<Subscription>>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("subscriptions", &self.subscriptions.len()).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// A dispatcher that notifies subscribers, and looks every `poll` even if no commit rang.
    pub fn new(db: Db, poll: Duration, subscriptions: Vec<Subscription>) -> Self {
        Self { db, poll, subscriptions: Rc::new(subscriptions) }
    }

    /// Runs until `stop` resolves.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let begun = Instant::now();
            let drained = async {
                self.drain().await?;
                hear(&self.db).await
            };
            if let Err(error) = drained.await {
                tracing::warn!(error = %crate::error::chain(&error), "the outbox could not be dispatched");
            }
            let due = async {
                // Rings of meanwhile are one.
                sleep_until(begun + GATHERING).await;
                let rest = self.poll.saturating_sub(GATHERING);
                let _ = timeout(rest, self.db.events_ready().notified()).await;
            };
            tokio::select! {
                () = &mut stop => return,
                () = due => {}
            }
        }
    }

    /// Runs the jobs of events that could not be dispatched with the others.
    pub fn handler(&self) -> Handler {
        let dispatcher = self.clone();
        Handler::new(Backoff::default(), move |job: Dispatch, _| {
            let dispatcher = dispatcher.clone();
            async move { Ok(dispatcher.dispatch(job.event).await?) }
        })
    }

    /// Dispatches everything that waits and tells how many events that were.
    ///
    /// # Errors
    /// [`DbError`] if the store fails; the batch at hand is dispatched again later.
    pub async fn drain(&self) -> Result<usize, DbError> {
        let mut total = 0;
        loop {
            let batch = match self.commit(BATCH, Recipients::Subscribers).await {
                Err(error) if !is_of_the_store(&error) => {
                    tracing::warn!(error = %crate::error::chain(&error), "events are dispatched one by one");
                    self.one_by_one().await?
                }
                other => other?,
            };
            total += batch.dispatched;
            if !batch.is_full {
                return Ok(total);
            }
        }
    }

    /// Dispatches a batch singly: one of its events is refused, and must not hold up the others.
    async fn one_by_one(&self) -> Result<Batch, DbError> {
        let mut dispatched = 0;
        while dispatched < BATCH as usize {
            let one = match self.commit(1, Recipients::Subscribers).await {
                Err(error) if !is_of_the_store(&error) => {
                    tracing::error!(error = %crate::error::chain(&error), "an event could not be dispatched");
                    metrics::counter!("tenantry_outbox_refused_total").increment(1);
                    self.commit(1, Recipients::Jobs).await?
                }
                other => other?,
            };
            if one.dispatched == 0 {
                return Ok(Batch { dispatched, is_full: false });
            }
            dispatched += one.dispatched;
        }
        Ok(Batch { dispatched, is_full: true })
    }

    async fn commit(&self, most: u64, recipients: Recipients) -> Result<Batch, DbError> {
        let work = async |tx: &mut PlatformTx| self.batch(tx, most, recipients).await;
        let batch = self.db.write_platform(&Ctx::system("outbox"), work).await?;
        crash_point!("outbox.dispatched");
        if batch.dispatched > 0 {
            self.db.jobs_ready().notify_one();
        }
        Ok(batch)
    }

    /// One event, to all subscribers.
    async fn dispatch(&self, event: Uuid) -> Result<(), DbError> {
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            let found = tx.across::<outbox_event::Entity>().filter(outbox_event::Column::Id.eq(event));
            let events = tx.all(found).await?;
            self.notify(tx, &events).await
        };
        self.db.write_platform(&Ctx::system("outbox"), work).await
    }

    async fn notify(&self, tx: &mut PlatformTx, events: &[outbox_event::Model]) -> Result<(), DbError> {
        for Subscription { hears, subscriber } in self.subscriptions.iter() {
            let heard: Vec<_> = events.iter().filter(|event| hears.includes(event)).collect();
            if !heard.is_empty() {
                subscriber.on_events(tx, &heard).await?;
            }
        }
        Ok(())
    }

    /// So many events that one transaction stays bounded.
    async fn fitting(&self, view: &PlatformView, most: u64) -> Result<u64, DbError> {
        let mut rows = 1;
        for Subscription { subscriber, .. } in self.subscriptions.iter() {
            rows = rows.max(subscriber.rows_per_event(view).await?);
        }
        Ok((ROWS_MAX / rows).clamp(1, most))
    }

    async fn batch(&self, tx: &mut PlatformTx, most: u64, recipients: Recipients) -> Result<Batch, DbError> {
        tx.housekeeping();
        let waiting = || {
            tx.across::<outbox_event::Entity>()
                .filter(outbox_event::Column::DispatchedAt.is_null())
                .order_by_asc(outbox_event::Column::Id)
        };
        if tx.one(waiting()).await?.is_none() {
            return Ok(Batch::default());
        }
        // Whoever holds this row tells; another dispatcher waits here and then sees what was told.
        let state = tx.lock(tx.platform::<outbox_state::Entity>()).await?;
        let mut last = state.map_or(0, |state| state.last_sequence);
        let most = self.fitting(tx, most).await?;
        let mut events = tx.all(waiting().limit(most)).await?;
        for event in &mut events {
            last += 1;
            event.sequence = Some(last);
        }
        let Some(first) = events.first().and_then(|event| event.sequence) else {
            return Ok(Batch::default());
        };
        match recipients {
            Recipients::Subscribers => self.notify(tx, &events).await?,
            Recipients::Jobs => {
                events.iter().for_each(|event| {
                    tx.enqueue(&Dispatch { event: event.id, tenant: event.tenant_id });
                });
            }
        }
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let (test, list) = tx.id_list(&ids, "$3");
        let sql = format!(
            "UPDATE outbox_event SET dispatched_at = $1, sequence = $2 + placed.place FROM \
             (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM outbox_event WHERE id {test}) AS placed \
             WHERE placed.id = outbox_event.id"
        );
        let number = CrossTenantStatement::built(sql);
        tx.execute(&number, vec![tx.now().into(), first.into(), list]).await?;
        tx.execute(&SET_LAST_SEQUENCE, vec![last.into()]).await?;
        Ok(Batch { dispatched: events.len(), is_full: events.len() as u64 == most })
    }
}

/// Passes on what was told since the last look, by whichever replica: caches forget, streams go on. The first look only sees how far it
/// is, so it comes before anything is remembered.
///
/// # Errors
/// [`DbError`] if the store fails; the same events are passed on later.
pub async fn hear(db: &Db) -> Result<(), DbError> {
    loop {
        let after = db.last_dispatched();
        let new = async |view: &PlatformView| {
            let last = view.one(view.platform::<outbox_state::Entity>()).await?;
            let last = last.map_or(0, |state| state.last_sequence);
            if after.is_none() || Some(last) == after {
                return Ok((last, Vec::new()));
            }
            let select = view.across::<outbox_event::Entity>().select_only();
            let select = select
                .columns([outbox_event::Column::Sequence, outbox_event::Column::Type])
                .column(outbox_event::Column::TenantId)
                .filter(outbox_event::Column::Sequence.gt(after))
                .order_by_asc(outbox_event::Column::Sequence);
            let rows: Vec<(i64, String, Option<Uuid>)> = view.tuples(select.limit(HEARD_MAX)).await?;
            Ok::<_, DbError>((last, rows))
        };
        let (last, rows) = db.read_platform(new).await?;
        for (_, kind, tenant) in &rows {
            db.hear(kind, *tenant);
        }
        let more = rows.len() as u64 == HEARD_MAX;
        let reached = rows.last().filter(|_| more).map_or(last, |row| row.0);
        db.set_dispatched(reached);
        if !more {
            return Ok(());
        }
    }
}

/// Whether the store itself failed, rather than refused what a subscriber wanted of it.
fn is_of_the_store(error: &DbError) -> bool {
    !matches!(
        error,
        DbError::Conflict(_)
            | DbError::Corrupt { .. }
            | DbError::Sealed(_)
            | DbError::Sql(_)
            | DbError::Unreadable(_)
    )
}
