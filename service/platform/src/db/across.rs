//! The store as the platform's own work sees it.

use tokio::sync::watch;
use uuid::Uuid;

use super::{Db, Lookup};
use crate::error::DbError;
use crate::tx::{Ctx, PlatformTx, PlatformView};

/// The store as the platform's own work sees it: the platform's rows, and reads across tenants by the statements that name them. It opens
/// no transaction of a tenant.
#[derive(Clone, Debug)]
pub struct PlatformDb {
    db: Db,
}

impl Db {
    /// The store as the platform's own work sees it.
    pub fn platform(&self) -> PlatformDb {
        PlatformDb { db: self.clone() }
    }
}

impl PlatformDb {
    /// The tenant that something belongs to, or `None`.
    pub async fn tenant_of(&self, lookup: Lookup) -> Result<Option<Uuid>, DbError> {
        self.db.tenant_of(lookup).await
    }

    /// Changes whenever events were told, by whichever replica.
    pub fn on_dispatched(&self) -> watch::Receiver<Option<i64>> {
        self.db.on_dispatched()
    }

    /// Reads in one transaction.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning.
    pub async fn read<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&PlatformView) -> Result<T, E>,
    ) -> Result<T, E> {
        self.db.read_platform(work).await
    }

    /// Work, committed with its audit records, events and jobs; an `Err` rolls everything back.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning or committing.
    pub async fn write<T, E: From<DbError>>(
        &self,
        ctx: &Ctx,
        work: impl AsyncFnOnce(&mut PlatformTx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.db.write_platform(ctx, work).await
    }
}
