//! Events, told to their subscribers after the commit that emitted them.
//!
//! A subscriber only leaves durable jobs behind, in the transaction that marks the event as dispatched: the outside
//! world is met by those jobs, each destination in its own lane. The drain is a reconciler: it asks what is not yet
//! dispatched, so a lost signal costs a poll interval and an event that commits late is not overtaken by a cursor.

use std::rc::Rc;
use std::time::Duration;

use entity::platform::outbox_event;
use futures_util::future::LocalBoxFuture;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::time::timeout;

use crate::db::Db;
use crate::tx::{Ctx, PlatformTx, Work};
use crate::{DbError, crash_point};

/// Events dispatched in one transaction.
const BATCH: u64 = 200;

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
            match self.drain().await {
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %crate::error::chain(&error), "outbox could not be drained")
                }
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

    async fn batch(&self, tx: &mut PlatformTx) -> Result<usize, DbError> {
        tx.housekeeping();
        let waiting = tx
            .across::<outbox_event::Entity>()
            .filter(outbox_event::Column::DispatchedAt.is_null())
            .order_by_asc(outbox_event::Column::Id)
            .limit(BATCH)
            .lock_with_behavior(
                sea_orm::sea_query::LockType::Update,
                sea_orm::sea_query::LockBehavior::SkipLocked,
            );
        let events = tx.all(waiting).await?;
        if events.is_empty() {
            return Ok(0);
        }
        for subscriber in self.subscribers.iter() {
            subscriber.on_events(tx, &events).await?;
        }
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let (test, list) = tx.id_list(&ids, "$2");
        let sql = format!("UPDATE outbox_event SET dispatched_at = $1 WHERE id {test}");
        tx.execute(&sql, vec![tx.now().into(), list]).await?;
        Ok(events.len())
    }
}
