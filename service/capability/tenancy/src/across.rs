//! Tenants as the platform's own work sees them: several at once, a bounded number at a time.

use entity::tenancy::states::IdentityBackend;
use entity::tenancy::tenant::{Column, Entity, Model};
use platform::{DbError, PlatformView};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

use crate::model::Status;

/// The tenants of these ids, whatever their status.
///
/// # Errors
/// [`DbError`].
pub async fn of_ids(view: &PlatformView, ids: &[Uuid]) -> Result<Vec<Model>, DbError> {
    view.all(view.across::<Entity>().filter(Column::Id.is_in(ids.iter().copied()))).await
}

/// The next tenants that are active or suspended, in the order of their ids.
///
/// # Errors
/// [`DbError`].
pub async fn in_use_after(view: &PlatformView, after: Uuid, limit: u64) -> Result<Vec<Model>, DbError> {
    view.all(in_use(view, after).limit(limit)).await
}

/// The same, of those whose realm or org is at one of these backends.
///
/// # Errors
/// [`DbError`].
pub async fn in_use_at(
    view: &PlatformView,
    backends: &[IdentityBackend],
    after: Uuid,
    limit: u64,
) -> Result<Vec<Model>, DbError> {
    let select = in_use(view, after).filter(Column::IdentityBackend.is_in(backends.iter().copied()));
    view.all(select.limit(limit)).await
}

fn in_use(view: &PlatformView, after: Uuid) -> Select<Entity> {
    let select = view.across::<Entity>().filter(Column::Id.gt(after));
    select.filter(Column::Status.is_in([Status::Active, Status::Suspended])).order_by_asc(Column::Id)
}
