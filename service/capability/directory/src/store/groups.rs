//! Queries over groups.

use entity::directory::group;
use platform::{DbError, Tx, View};
use sea_orm::{ColumnTrait, QueryFilter, Select};
use uuid::Uuid;

fn of_organization(view: &View, organization: Uuid) -> Select<group::Entity> {
    view.select::<group::Entity>().filter(group::Column::OrganizationId.eq(organization))
}

/// The group of this id.
///
/// # Errors
/// [`DbError`].
pub async fn group(view: &View, organization: Uuid, id: Uuid) -> Result<Option<group::Model>, DbError> {
    view.one(of_organization(view, organization).filter(group::Column::Id.eq(id))).await
}

/// The group of this id, locked.
///
/// # Errors
/// [`DbError`].
pub async fn group_locked(tx: &Tx, organization: Uuid, id: Uuid) -> Result<Option<group::Model>, DbError> {
    tx.lock(of_organization(tx, organization).filter(group::Column::Id.eq(id))).await
}

/// Locks these groups, in the one order in which several are locked.
pub(crate) async fn lock_groups(tx: &Tx, organization: Uuid, groups: &[Uuid]) -> Result<(), DbError> {
    let select = of_organization(tx, organization).filter(group::Column::Id.is_in(groups.iter().copied()));
    tx.lock_all::<_, Uuid>(select, group::Column::Id).await
}
