//! Tenants as the platform's own work sees them: several at once, a bounded number at a time.

use entity::tenancy::states::IdentityBackend;
use entity::tenancy::tenant::{Column, Entity, Model};
use platform::db::Db;
use platform::{DbError, PlatformView};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

use crate::model::Status;

/// Tenants of one page.
const PAGE: u64 = 200;

/// The tenants of these ids, whatever their status.
pub async fn of_ids(view: &PlatformView, ids: &[Uuid]) -> Result<Vec<Model>, DbError> {
    view.all(view.across::<Entity>().filter(Column::Id.is_in(ids.iter().copied()))).await
}

/// The next tenants that are active or suspended, in the order of their ids.
pub async fn in_use_after(view: &PlatformView, after: Uuid, limit: u64) -> Result<Vec<Model>, DbError> {
    view.all(in_use(view, after).limit(limit)).await
}

/// Does `work` to each tenant that is active or suspended and whose realm or org is at one of these backends, in the order of their ids, a
/// page at a time and outside of any transaction.
///
/// # Errors
/// If the store fails, or what `work` answers: the tenants after it are left out.
pub async fn each<E: From<DbError>>(
    db: &Db,
    backends: &[IdentityBackend],
    mut work: impl AsyncFnMut(&Model) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = Uuid::nil();
    loop {
        let find = async |view: &PlatformView| {
            let at = Column::IdentityBackend.is_in(backends.iter().copied());
            view.all(in_use(view, after).filter(at).limit(PAGE)).await
        };
        let page: Vec<Model> = db.read_platform(find).await?;
        for tenant in &page {
            work(tenant).await?;
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE => after = last.id,
            _ => return Ok(()),
        }
    }
}

fn in_use(view: &PlatformView, after: Uuid) -> Select<Entity> {
    let select = view.across::<Entity>().filter(Column::Id.gt(after));
    select.filter(Column::Status.is_in([Status::Active, Status::Suspended])).order_by_asc(Column::Id)
}
