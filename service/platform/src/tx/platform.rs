//! Writing across tenants: operators, schedulers, the machines themselves.

use entity::platform::states::Outcome;
use sea_orm::{EntityTrait, IntoActiveModel, ModelTrait, QueryFilter, Value};
use uuid::Uuid;

use super::inserts::{Insert, insert_each};
use super::writes::{AuditRecord, primary_key, replace};
use super::{CrossTenantStatement, Ctx, PlatformTx, Target, Tx};
use crate::DbError;
use crate::event::Event;

impl PlatformTx {
    /// Who acts.
    pub fn ctx(&self) -> &Ctx {
        &self.writes.ctx
    }

    /// Inserts one row of a table of the platform, or of a tenant that the row names.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    pub async fn insert<M>(&self, row: M) -> Result<(), DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    {
        self.writes.touched();
        insert_each(self, Insert::all(vec![row])).await
    }

    /// Writes every column of a row.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it; [`DbError::Sql`] if it isn't there.
    pub async fn update<M>(&self, row: M) -> Result<(), DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    {
        self.writes.touched();
        replace(self, row, None).await
    }

    /// Inserts rows, as many to a statement as its parameters allow.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses one.
    pub async fn insert_all<M>(&self, rows: Vec<M>) -> Result<(), DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    {
        self.writes.touched();
        insert_each(self, Insert::all(rows)).await
    }

    /// Removes a row by its primary key.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a foreign key refuses it.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub async fn delete<M>(&self, row: M) -> Result<(), DbError>
    where
        M: ModelTrait,
    {
        self.writes.touched();
        M::Entity::delete_many().filter(primary_key(&row)).exec(&self.connection).await?;
        Ok(())
    }

    /// Hand-written SQL; tells how many rows it touched.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    pub async fn execute(
        &self,
        statement: &CrossTenantStatement,
        values: Vec<Value>,
    ) -> Result<u64, DbError> {
        self.writes.touched();
        self.execute_raw(statement.text(), values).await
    }

    /// After the commit the workers look at once: jobs are due now that were there before.
    pub fn wake_workers(&mut self) {
        self.writes.wakes = true;
    }

    /// The same as `record`, for a record that belongs to `tenant`.
    pub fn record_for(&mut self, tenant: Uuid, action: &'static str, target: Target) {
        let outcome = Outcome::Success;
        self.writes.audit.push(AuditRecord { tenant: Some(tenant), action, target, outcome });
    }

    pub(super) fn record_denied(&mut self, tenant: Option<Uuid>, action: &'static str, target: Target) {
        self.writes.audit.push(AuditRecord { tenant, action, target, outcome: Outcome::Denied });
    }

    /// The same as `emit`, for an event that belongs to `tenant`.
    pub fn emit_for<E: Event>(&mut self, tenant: Uuid, event: &E) {
        let data = serde_json::to_value(event).unwrap_or_default();
        self.writes.events.push((E::TYPE.name, Some(tenant), data));
    }
}

/// A statement over tables of the platform that a tenant's transaction makes, named so that the whole list can be looked at. Values
/// begin at `$1`, and the text is a constant: nothing that a tenant says becomes a part of it.
#[derive(Clone, Copy, Debug)]
pub struct PlatformStatement {
    sql: &'static str,
}

impl PlatformStatement {
    /// For a constant with a name.
    pub const fn new(sql: &'static str) -> Self {
        Self { sql }
    }
}

impl Tx {
    /// Runs a statement as the platform role, e.g. an instance's count of tenants; tells how many rows it touched. What follows is
    /// the tenant's again.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    pub async fn as_platform(
        &self,
        statement: PlatformStatement,
        values: Vec<Value>,
    ) -> Result<u64, DbError> {
        self.writes.touched();
        self.db.as_platform(&self.connection).await?;
        // Where it fails nothing of the transaction stays, so the role need not be put back.
        let touched = self.execute_raw(statement.sql, values).await?;
        self.db.as_tenant(&self.connection).await?;
        Ok(touched)
    }
}
