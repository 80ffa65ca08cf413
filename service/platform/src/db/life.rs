//! How the store fares: asked by probes, found out by small writes, and made sure of after failures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DbErr};
use tokio::sync::watch;

use super::{Access, Db};
use crate::error::DbError;
use crate::store::connection::opening;
use crate::store::health::Health;
use crate::store::open::Files;
use crate::store::shares::Holder;
use crate::{Timestamp, jobs};

/// How long the answer to one probe is everybody's.
const PULSE: Duration = Duration::from_secs(1);

/// Since when the oldest job that is due has been, if one is; or why the store doesn't answer.
type Beat = Result<Option<Timestamp>, Arc<DbError>>;

/// The last sign of life, or the one that is waited for.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Option<Felt>>);

#[derive(Debug)]
struct Felt {
    begun: Instant,
    beat: watch::Receiver<Option<Beat>>,
}

impl Felt {
    /// Whether it is everybody's: it was asked for within the last second, or isn't answered yet.
    fn counts(&self) -> bool {
        let is_waited_for = self.beat.borrow().is_none() && self.beat.has_changed().is_ok();
        is_waited_for || self.begun.elapsed() < PULSE
    }
}

impl Pulse {
    /// The answer to `ask`, or to whoever asked before: a store that hangs is asked by one.
    async fn feel<F>(&self, ask: impl FnOnce() -> F) -> Beat
    where
        F: Future<Output = Result<Option<Timestamp>, DbError>> + Send + 'static,
    {
        let mut beat = self.begun(ask);
        let felt = beat.wait_for(Option::is_some).await.ok().and_then(|beat| beat.clone());
        let lost = || DbError::Busy(DbErr::Custom("the look at the store was lost".to_owned()));
        felt.unwrap_or_else(|| Err(Arc::new(lost())))
    }

    fn begun<F>(&self, ask: impl FnOnce() -> F) -> watch::Receiver<Option<Beat>>
    where
        F: Future<Output = Result<Option<Timestamp>, DbError>> + Send + 'static,
    {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(felt) = last.as_ref().filter(|felt| felt.counts()) {
            return felt.beat.clone();
        }
        let ((sender, beat), asking) = (watch::channel(None), ask());
        // A task of its own: whoever waits for it may go away.
        drop(tokio::spawn(async move { sender.send_replace(Some(asking.await.map_err(Arc::new))) }));
        *last = Some(Felt { begun: Instant::now(), beat: beat.clone() });
        beat
    }
}

impl Db {
    /// A sign of life: since when the oldest job that is due has been, if one is. However many probes ask and whatever is answered, the
    /// store is asked once a second.
    ///
    /// # Errors
    /// [`DbError`] if the store doesn't answer, or its files were moved.
    pub async fn pulse(&self) -> Result<Option<Timestamp>, Arc<DbError>> {
        let db = self.clone();
        let ask = || async move {
            db.see_files().await?;
            db.read_platform(async |view| jobs::oldest_due(view).await).await
        };
        self.inner.pulse.feel(ask).await
    }

    /// What is known of whether writes reach the disk. Nobody waits for it.
    pub fn health(&self) -> Health {
        self.inner.watch.health()
    }

    /// While writes don't reach the disk, whoever asks how the store fares makes it look again.
    pub async fn probe_if_failing(&self) {
        let _ = self.may(Access::Write).await;
    }

    /// Asks by one small write whether the store takes writes, if it is time to.
    ///
    /// # Errors
    /// [`DbError`] if it doesn't.
    pub async fn probe_if_due(&self) -> Result<(), DbError> {
        if self.inner.watch.probe_is_due() { self.probe().await } else { Ok(()) }
    }

    /// Asks by one small write whether the store takes writes.
    ///
    /// # Errors
    /// [`DbError`] if it doesn't.
    pub async fn probe(&self) -> Result<(), DbError> {
        self.see_files().await?;
        if let Some(Files { anchor, .. }) = &self.inner.files {
            anchor.reset_saved().await;
        }
        let scope = self.beginning(Holder::Platform, Access::Write);
        let connection = self.inner.writer.begin(&scope).await?;
        let sql = "UPDATE store_state SET probed_at = $1 WHERE id = 1";
        let written = connection.execute_raw(self.statement(sql, [self.clock().now().into()])).await;
        match written {
            Ok(_) => self.commit_connection(connection).await,
            Err(error) => {
                connection.roll_back().await;
                Err(error.into())
            }
        }
    }

    /// Whether the embedded store's files are where they were opened. Where they aren't, what is in the log only is saved.
    ///
    /// # Errors
    /// [`DbError::Moved`] if they aren't.
    pub(crate) async fn see_files(&self) -> Result<(), DbError> {
        let Err(displaced) = self.inner.watch.check_files().await else { return Ok(()) };
        if let Some(Files { anchor, .. }) = &self.inner.files {
            anchor.save(&displaced).await;
        }
        Err(opening(displaced.into()))
    }

    /// Whether this may be tried. While the store fails, one caller at a time finds out whether it still does, and the others are
    /// answered by what is known.
    pub(super) async fn may(&self, access: Access) -> Result<(), DbError> {
        let Health::Failing(why) = self.inner.watch.health() else { return Ok(()) };
        if access == Access::Read && why.lets_read() {
            return Ok(());
        }
        if self.inner.watch.probe_is_due() && self.probe().await.is_ok() {
            return Ok(());
        }
        match self.inner.watch.health() {
            Health::Good => Ok(()),
            Health::Failing(why) => Err(DbError::failing(why)),
        }
    }

    /// Makes sure that a commit which failed doesn't come back. Its frames may lie whole in SQLite's log, behind the end that
    /// everybody knows; a process that dies now would find them at its next start. The next commit goes to the same place.
    /// It needs no room and no sync: what isn't on the disk can't come back either.
    pub(super) async fn fence(&self) -> bool {
        let Some(opener) = self.opener() else { return false };
        if self.see_files().await.is_err() {
            return false;
        }
        match opener.overwrite_end_of_log().await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "it is unknown whether a failed commit will survive a crash");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn however_many_probes_ask_and_whatever_is_answered_one_asks() {
        let (pulse, asked) = (Pulse::default(), Mutex::new(0));
        let ask = |answer: BoxFuture<'static, Result<Option<Timestamp>, DbError>>| {
            pulse.feel(|| {
                *asked.lock().unwrap() += 1;
                answer
            })
        };
        let refused = || std::future::ready(Err(DbError::Unprepared)).boxed();
        for _ in 0..5 {
            assert!(ask(refused()).await.is_err());
        }
        assert_eq!(*asked.lock().unwrap(), 1, "a failure is everybody's, too");
        for reply in [Some(Ok(None)), None] {
            sleep(PULSE).await;
            let before = *asked.lock().unwrap();
            let (answers, answer) = tokio::sync::oneshot::channel();
            let hanging = async { answer.await.unwrap_or(Err(DbError::Unprepared)) }.boxed();
            assert!(timeout(PULSE, ask(hanging)).await.is_err());
            let waits = ask(refused());
            let mut waits = std::pin::pin!(waits);
            assert!(futures_util::poll!(&mut waits).is_pending());
            assert_eq!(*asked.lock().unwrap(), before + 1, "nobody asks beside one who waits, gone or not");
            match reply {
                Some(reply) => {
                    answers.send(reply).unwrap();
                    assert_eq!(waits.await.unwrap(), None);
                }
                None => {
                    drop(answers);
                    // Nobody waits for it any more: it is known all the same that it was answered, and when.
                    sleep(Duration::from_millis(50)).await;
                }
            }
            assert!(ask(refused()).await.is_err());
            assert_eq!(*asked.lock().unwrap(), before + 2, "what was asked long ago isn't everybody's");
        }
    }
}
