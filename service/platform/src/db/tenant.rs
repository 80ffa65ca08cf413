//! The store as one tenant sees it.

use uuid::Uuid;

use super::Db;
use crate::DbError;
use crate::tx::{Ctx, Tx, View};

/// The store as one tenant sees it: whoever holds it reaches that tenant's rows and no others. What goes on after its handler has
/// answered, a stream for example, takes it along.
#[derive(Clone, Debug)]
pub struct TenantDb {
    db: Db,
    tenant: Uuid,
}

impl Db {
    /// The store as `tenant` sees it.
    pub fn of(&self, tenant: Uuid) -> TenantDb {
        TenantDb { db: self.clone(), tenant }
    }
}

impl TenantDb {
    /// The tenant.
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// Reads of the tenant in one transaction.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning.
    pub async fn read<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&View) -> Result<T, E>,
    ) -> Result<T, E> {
        self.db.read(self.tenant, work).await
    }

    /// Work on the tenant, committed with its audit records, events and jobs; an `Err` rolls everything back.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning or committing.
    pub async fn write<T, E: From<DbError>>(
        &self,
        ctx: &Ctx,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.db.write(ctx, self.tenant, work).await
    }
}
