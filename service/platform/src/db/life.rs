//! How the store fares: asked by probes, found out by small writes, and made sure of after failures.

use std::sync::Arc;

use sea_orm::ConnectionTrait as _;

use super::{Access, Db};
use crate::error::DbError;
use crate::store::connection::opening;
use crate::store::health::Health;
use crate::store::open;
use crate::store::shares::Holder;
use crate::{Timestamp, jobs};

impl Db {
    /// A sign of life: since when the oldest job that is due has been, if one is. However many probes ask, the store is asked once a
    /// second.
    ///
    /// # Errors
    /// [`DbError::Busy`] or [`DbError::Sql`] if the store doesn't answer.
    pub async fn pulse(&self) -> Result<Option<Timestamp>, Arc<DbError>> {
        let look = async {
            self.see_files().await?;
            self.read_platform(async |view| jobs::oldest_due(view).await).await
        };
        self.inner.pulse.try_get_with((), look).await
    }

    /// Whether writes reach the disk. While they don't, whoever asks also makes the store look again.
    pub async fn health(&self) -> Health {
        let _ = self.may(Access::Write).await;
        self.inner.watch.health()
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
        if let Some(anchor) = &self.inner.anchor {
            anchor.settle().await;
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
        let Err(displaced) = self.inner.watch.look().await else { return Ok(()) };
        if let Some(anchor) = &self.inner.anchor {
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
        let Some(url) = &self.inner.file else { return false };
        if self.see_files().await.is_err() {
            return false;
        }
        match open::overwrite_end_of_log(url).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "whether a failed commit will be found after a crash is not known");
                false
            }
        }
    }
}
