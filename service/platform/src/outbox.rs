//! Events, told to their subscribers after the commit that emitted them.
//!
//! A subscriber only leaves durable jobs behind, in the transaction that marks the event as dispatched: the outside
//! world is met by those jobs, each destination in its own lane. The drain is a reconciler: it asks what is not yet
//! dispatched, so a lost signal costs a poll interval and an event that commits late is not overtaken by a cursor.
//!
//! Telling gives each event its `sequence`. One dispatcher tells at a time, also of several replicas, so the sequence is an
//! order of commits: whoever has seen a number will never see a smaller one come after it. Readers follow by it.

use std::rc::Rc;
use std::time::Duration;

use entity::platform::{outbox_event, outbox_state};
use futures_util::future::LocalBoxFuture;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::time::timeout;

use crate::db::Db;
use crate::tx::{Ctx, PlatformTx, PlatformView, Work};
use crate::{DbError, crash_point};

/// Events dispatched in one transaction.
const BATCH: u64 = 200;
/// Events of other replicas that are passed on to this process' listeners at a time.
const HEARD_MAX: u64 = 1000;

/// Somebody who turns events into jobs.
pub trait Subscriber {
    /// Leaves the jobs that `events` ask for; a batch at a time, so that what they share is read once.
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>>;
}

/// Drains the outbox.
#[derive(Clone)]
pub struct Dispatcher {
    db: Db,
    poll: Duration,
    subscribers: Rc<Vec<Box<dyn Subscriber>>>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("subscribers", &self.subscribers.len()).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// A dispatcher that tells `subscribers`, and looks every `poll` even if no commit rang.
    pub fn new(db: Db, poll: Duration, subscribers: Vec<Box<dyn Subscriber>>) -> Self {
        Self { db, poll, subscribers: Rc::new(subscribers) }
    }

    /// Runs until `stop` resolves.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let told = async {
                self.drain().await?;
                self.hear().await
            };
            if let Err(error) = told.await {
                tracing::warn!(error = %crate::error::chain(&error), "outbox could not be drained");
            }
            tokio::select! {
                () = &mut stop => return,
                _ = timeout(self.poll, self.db.events_ready().notified()) => {}
            }
        }
    }

    /// Dispatches everything that waits and tells how many events that were.
    ///
    /// # Errors
    /// [`DbError`] if the store fails; the batch at hand is dispatched again later.
    pub async fn drain(&self) -> Result<usize, DbError> {
        let mut total = 0;
        loop {
            let count =
                self.db.write_platform(&Ctx::system("outbox"), async |tx| self.batch(tx).await).await?;
            crash_point!("outbox.dispatched");
            total += count;
            if count > 0 {
                self.db.jobs_ready().notify_one();
            }
            if (count as u64) < BATCH {
                return Ok(total);
            }
        }
    }

    /// Passes on what was told since the last look, by whichever replica: caches forget, streams go on.
    ///
    /// # Errors
    /// [`DbError`] if the store fails; the same events are passed on later.
    pub async fn hear(&self) -> Result<(), DbError> {
        loop {
            let after = self.db.told();
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
                let rows: Vec<(i64, String, Option<uuid::Uuid>)> =
                    view.tuples(select.limit(HEARD_MAX)).await?;
                Ok::<_, DbError>((last, rows))
            };
            let (last, rows) = self.db.read_platform(new).await?;
            for (_, kind, tenant) in &rows {
                self.db.hear(kind, *tenant);
            }
            let more = rows.len() as u64 == HEARD_MAX;
            let reached = rows.last().filter(|_| more).map_or(last, |row| row.0);
            self.db.set_told(reached);
            if !more {
                return Ok(());
            }
        }
    }

    async fn batch(&self, tx: &mut PlatformTx) -> Result<usize, DbError> {
        tx.housekeeping();
        let waiting = || {
            tx.across::<outbox_event::Entity>()
                .filter(outbox_event::Column::DispatchedAt.is_null())
                .order_by_asc(outbox_event::Column::Id)
        };
        if tx.one(waiting()).await?.is_none() {
            return Ok(0);
        }
        // Whoever holds this row tells; another dispatcher waits here and then sees what was told.
        let state = tx.lock(tx.platform::<outbox_state::Entity>()).await?;
        let mut last = state.map_or(0, |state| state.last_sequence);
        let mut events = tx.all(waiting().limit(BATCH)).await?;
        for event in &mut events {
            last += 1;
            event.sequence = Some(last);
        }
        let (Some(first), false) = (events.first().and_then(|event| event.sequence), events.is_empty())
        else {
            return Ok(0);
        };
        for subscriber in self.subscribers.iter() {
            subscriber.on_events(tx, &events).await?;
        }
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let (test, list) = tx.id_list(&ids, "$3");
        let sql = format!(
            "UPDATE outbox_event SET dispatched_at = $1, sequence = $2 + told.place FROM \
             (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM outbox_event WHERE id {test}) AS told \
             WHERE told.id = outbox_event.id"
        );
        tx.execute(&sql, vec![tx.now().into(), first.into(), list]).await?;
        tx.execute("UPDATE outbox_state SET last_sequence = $1", vec![last.into()]).await?;
        Ok(events.len())
    }
}
