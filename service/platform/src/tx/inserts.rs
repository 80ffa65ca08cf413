//! Rows that a transaction puts in.

use entity::scope::TenantOwned;
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, DbErr, EntityTrait, IntoActiveModel, Iterable as _,
    ModelTrait, QueryTrait as _, Select,
};

use super::{Reads, Tx};
use crate::DbError;

/// Parameters that one statement may carry: SQLite's limit, the smaller one.
const PARAMETERS_MAX: usize = 30_000;

/// Inserts rows that name their own tenant.
pub(super) async fn insert_rows<M>(reads: &Reads, rows: Vec<M>) -> Result<(), DbError>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
{
    insert_each::<M::Entity>(reads, rows.into_iter().map(|row| row.into_active_model().reset_all())).await
}

/// Inserts rows, as many to a statement as its parameters allow.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
async fn insert_each<E: EntityTrait>(
    reads: &Reads,
    rows: impl Iterator<Item = E::ActiveModel>,
) -> Result<(), DbError> {
    let columns = E::Column::iter().count().max(1);
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let batch: Vec<_> = rows.by_ref().take(PARAMETERS_MAX / columns).collect();
        E::insert_many(batch).exec_without_returning(&reads.connection).await?;
    }
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

    /// Inserts one row of this tenant and looks for another in the same round trip: tells whether `look` finds one. Whether it sees the
    /// row that goes in is up to the store.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    pub async fn insert_and_look<M, E>(&self, row: M, look: Select<E>) -> Result<bool, DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
        E: TenantOwned,
    {
        self.writes.touched();
        let mut insert = M::Entity::insert(self.own(row)).into_query();
        insert.returning(Query::returning().exprs([Expr::exists(look.into_query())]));
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
        insert_each::<M::Entity>(self, rows.into_iter().map(|row| self.own(row))).await
    }

    /// Inserts one row of this tenant unless a key refuses it; tells whether it went in.
    ///
    /// # Errors
    /// [`DbError`] if the store fails.
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
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
