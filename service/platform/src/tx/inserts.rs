//! Rows that a transaction puts in.

use entity::scope::TenantOwned;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, InsertStatement, OnConflict, Query, WithClause,
};
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    Iterable as _, ModelTrait, QueryTrait as _, Select,
};

use super::{Reads, Tx};
use crate::DbError;

/// Parameters that one statement may carry: SQLite's limit, the smaller one.
const PARAMETERS_MAX: usize = 30_000;

/// Parameters of inserts that share one statement: what is longer is seldom, and each text is planned and remembered anew.
const TOGETHER_MAX: usize = 400;

/// An insert, and the parameters that it carries.
#[derive(Debug)]
pub(super) struct Insert {
    statement: InsertStatement,
    parameters: usize,
}

impl Insert {
    /// Of one row that names its own tenant, unless a key refuses it.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub(super) fn unless_there<M>(row: M) -> Self
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    {
        let nothing = OnConflict::new().do_nothing().to_owned();
        let insert = M::Entity::insert(row.into_active_model().reset_all()).on_conflict(nothing);
        Self { statement: insert.into_query(), parameters: columns::<M::Entity>() }
    }

    /// Of rows that name their own tenant.
    pub(super) fn all<M>(rows: Vec<M>) -> Vec<Self>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    {
        each::<M::Entity>(rows.into_iter().map(|row| row.into_active_model().reset_all()))
    }
}

fn columns<E: EntityTrait>() -> usize {
    E::Column::iter().count().max(1)
}

/// Inserts of rows, as many to a statement as its parameters allow.
#[allow(clippy::disallowed_methods, reason = "the one place for it")]
fn each<E: EntityTrait>(rows: impl Iterator<Item = E::ActiveModel>) -> Vec<Insert> {
    let columns = columns::<E>();
    let mut inserts = Vec::new();
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let batch: Vec<_> = rows.by_ref().take(PARAMETERS_MAX / columns).collect();
        let parameters = batch.len() * columns;
        inserts.push(Insert { statement: E::insert_many(batch).into_query(), parameters });
    }
    inserts
}

/// Inserts rows at once.
pub(super) async fn insert_each(reads: &Reads, inserts: Vec<Insert>) -> Result<(), DbError> {
    let backend = reads.connection.get_database_backend();
    for insert in inserts {
        reads.connection.execute_raw(backend.build(&insert.statement)).await?;
    }
    Ok(())
}

/// Inserts rows that nothing waits for: on Postgres, where each statement is a way to the server and back, the small ones in one.
pub(super) async fn insert_together(reads: &Reads, inserts: Vec<Insert>) -> Result<(), DbError> {
    let backend = reads.connection.get_database_backend();
    let mut left_over = if backend == DbBackend::Postgres { TOGETHER_MAX } else { 0 };
    let (together, alone): (Vec<_>, Vec<_>) = inserts.into_iter().partition(|insert| {
        let left = left_over.checked_sub(insert.parameters);
        left_over = left.unwrap_or(left_over);
        left.is_some()
    });
    insert_each(reads, alone).await?;
    let mut together = together.into_iter().map(|insert| insert.statement);
    let Some(last) = together.next() else { return Ok(()) };
    let mut others = WithClause::new();
    let several = together.len() > 0;
    for (number, insert) in together.enumerate() {
        let name = Alias::new(format!("i{number}"));
        others.cte(CommonTableExpression::new().table_name(name).query(insert).to_owned());
    }
    // A clause without any of them is refused.
    let statement = if several { backend.build(&last.with(others)) } else { backend.build(&last) };
    reads.connection.execute_raw(statement).await?;
    Ok(())
}

impl Tx {
    /// Inserts one row of this tenant.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    pub async fn insert<M>(&self, row: M) -> Result<(), DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
    {
        self.insert_all(vec![row]).await
    }

    /// Inserts one row of this tenant and looks for another in the same round trip: tells whether `select` finds one. Whether it sees the
    /// row that goes in is up to the store.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub async fn insert_and_find<M, E>(&self, row: M, select: Select<E>) -> Result<bool, DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
        E: TenantOwned,
    {
        self.writes.touched();
        let mut insert = M::Entity::insert(self.own(row)).into_query();
        insert.returning(Query::returning().exprs([Expr::exists(select.into_query())]));
        let backend = self.connection.get_database_backend();
        let row = self.connection.query_one_raw(backend.build(&insert)).await?;
        Ok(row.ok_or(DbErr::RecordNotInserted)?.try_get_by_index(0)?)
    }

    fn own<M>(&self, row: M) -> <M::Entity as EntityTrait>::ActiveModel
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
    {
        let mut row = row.into_active_model().reset_all();
        row.set(<M::Entity as TenantOwned>::TENANT, self.tenant().into());
        row
    }

    /// Inserts rows of this tenant, as many to a statement as its parameters allow.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses one.
    pub async fn insert_all<M>(&self, rows: Vec<M>) -> Result<(), DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
    {
        self.writes.touched();
        insert_each(self, each::<M::Entity>(rows.into_iter().map(|row| self.own(row)))).await
    }

    /// Leaves a row of this tenant for just before the commit. No key may refuse it, and whoever reads in this transaction sees it only
    /// after [`Self::insert_left`].
    pub fn insert_last<M>(&mut self, row: M)
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
    {
        self.writes.touched();
        let row = self.own(row);
        self.writes.rows.extend(each::<M::Entity>(std::iter::once(row)));
    }

    /// Inserts now what was left for just before the commit.
    pub async fn insert_left(&mut self) -> Result<(), DbError> {
        let left = std::mem::take(&mut self.writes.rows);
        insert_together(self, left).await
    }

    /// Inserts one row of this tenant unless a key refuses it; tells whether it went in.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub async fn insert_unless_there<M>(&self, row: M) -> Result<bool, DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
    {
        self.writes.touched();
        let insert = M::Entity::insert(self.own(row)).on_conflict(OnConflict::new().do_nothing().to_owned());
        let sql = insert.build(self.connection.get_database_backend());
        Ok(self.connection.execute_raw(sql).await?.rows_affected() == 1)
    }
}
