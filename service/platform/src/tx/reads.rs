//! Reading: every query starts from a `select` that carries the scope.

use entity::scope::{PlatformOwned, SharedWithTenants, TenantOwned};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, Select, TryGetableMany, Value, sea_query::LockType,
};
use uuid::Uuid;

use super::{CrossTenantStatement, PlatformView, Statement, View};
use crate::db::Db;
use crate::sql::Sql;
use crate::store::connection::Connection;
use crate::store::shares::Permit;
use crate::{DbError, Timestamp};

/// Runs what a scoped `select` built.
#[derive(Debug)]
pub struct Reads {
    pub(super) connection: Connection,
    #[allow(dead_code, reason = "given back with the transaction")]
    pub(super) permit: Permit,
    pub(super) db: Db,
    pub(super) now: Timestamp,
}

impl Reads {
    /// Rows of a table of the platform that everybody may read.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub fn shared<E: SharedWithTenants>(&self) -> Select<E> {
        E::find()
    }

    /// The first row, if any.
    pub async fn one<E: EntityTrait>(&self, select: Select<E>) -> Result<Option<E::Model>, DbError> {
        Ok(select.one(&self.connection).await?)
    }

    /// The first row, locked until the transaction ends (SQLite has one writer and needs no lock).
    pub async fn lock<E: EntityTrait>(&self, select: Select<E>) -> Result<Option<E::Model>, DbError> {
        self.one(select.lock_exclusive()).await
    }

    /// The first row, which nobody can [`lock`](Self::lock) until the transaction ends; others may lock it the same way, and change it. It is what a
    /// row that refers to it takes anyway (Postgres: `FOR KEY SHARE`).
    pub async fn lock_key_share<E: EntityTrait>(
        &self,
        select: Select<E>,
    ) -> Result<Option<E::Model>, DbError> {
        self.one(select.lock(LockType::KeyShare)).await
    }

    /// Locks all rows until the transaction ends, in the order of `key`: whoever locks several of a table does it in one order, so that no
    /// two wait for each other. On SQLite, which has one writer, it asks nothing.
    pub async fn lock_all<E, K>(&self, select: Select<E>, key: E::Column) -> Result<(), DbError>
    where
        E: EntityTrait,
        K: TryGetableMany,
    {
        if !self.sql().locks_rows() {
            return Ok(());
        }
        let select = select.select_only().column(key).order_by_asc(key).lock_exclusive();
        self.tuples::<_, K>(select).await.map(drop)
    }

    /// All rows, locked in the same way. The caller sets a limit.
    pub async fn lock_rows<E: EntityTrait>(
        &self,
        select: Select<E>,
        key: E::Column,
    ) -> Result<Vec<E::Model>, DbError> {
        self.all(select.order_by_asc(key).lock_exclusive()).await
    }

    /// All rows. The caller sets a limit.
    pub async fn all<E: EntityTrait>(&self, select: Select<E>) -> Result<Vec<E::Model>, DbError> {
        Ok(select.all(&self.connection).await?)
    }

    /// Some columns of all rows. The caller sets a limit.
    pub async fn tuples<E: EntityTrait, T: TryGetableMany>(
        &self,
        select: Select<E>,
    ) -> Result<Vec<T>, DbError> {
        Ok(select.into_tuple::<T>().all(&self.connection).await?)
    }

    /// How many rows there are.
    pub async fn count<E>(&self, select: Select<E>) -> Result<u64, DbError>
    where
        E: EntityTrait,
        E::Model: Sync,
    {
        Ok(select.count(&self.connection).await?)
    }

    pub(crate) async fn execute_raw(&self, sql: &str, values: Vec<Value>) -> Result<u64, DbError> {
        Ok(self.connection.execute_raw(self.db.statement(sql, values)).await?.rows_affected())
    }

    pub(crate) async fn query_raw(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, DbError> {
        Ok(self.connection.query_all_raw(self.db.statement(sql, values)).await?)
    }

    /// A membership test against `ids` for hand-written SQL: the test's text and its one parameter.
    pub fn id_list(&self, ids: &[Uuid], placeholder: &str) -> (String, Value) {
        self.db.id_list(ids, placeholder)
    }

    /// What the stores spell differently, for hand-written SQL.
    pub fn sql(&self) -> Sql {
        self.db.sql()
    }

    /// Appended to a sub-select that takes one of several equal rows, so that two takers don't wait for each other.
    pub fn skip_locked(&self) -> &'static str {
        self.db.skip_locked()
    }
}

impl View {
    /// Rows of one table, already filtered by tenant.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub fn select<E: TenantOwned>(&self) -> Select<E> {
        E::find().filter(E::TENANT.eq(self.tenant()))
    }

    /// Hand-written SQL over the tenant's rows; `values` begin at `$2`.
    pub async fn query(
        &self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, DbError> {
        self.query_raw(statement.text(), self.scoped(values)).await
    }

    pub(super) fn scoped(&self, mut values: Vec<Value>) -> Vec<Value> {
        values.insert(0, self.tenant().into());
        values
    }
}

impl PlatformView {
    /// Rows of one table, of all tenants.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub fn across<E: TenantOwned>(&self) -> Select<E> {
        E::find()
    }

    /// Rows of a table of the platform.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub fn platform<E: PlatformOwned>(&self) -> Select<E> {
        E::find()
    }

    /// Hand-written SQL over the rows of all tenants.
    pub async fn query(
        &self,
        statement: &CrossTenantStatement,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, DbError> {
        self.query_raw(statement.text(), values).await
    }
}
