//! Modules in the store.

use entity::modules::module::{Column, Entity, Model};
use platform::{CrossTenantStatement, DbError, PlatformTx, PlatformView};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;
use web::PlatformService;

/// So many modules there may be.
pub(crate) const MODULES_MAX: u64 = 1000;

/// One module.
///
/// # Errors
/// [`DbError`].
pub async fn module(view: &PlatformView, id: Uuid) -> Result<Option<Model>, DbError> {
    view.one(view.platform::<Entity>().filter(Column::Id.eq(id))).await
}

/// All modules.
///
/// # Errors
/// [`DbError`].
pub async fn modules(view: &PlatformView) -> Result<Vec<Model>, DbError> {
    view.all(view.platform::<Entity>().order_by_asc(Column::Id).limit(MODULES_MAX)).await
}

/// The module of this client id.
///
/// # Errors
/// [`DbError`].
pub async fn client(service: &PlatformService, client_id: &str) -> Result<Option<Model>, DbError> {
    let by_id = Column::ClientId.eq(client_id);
    let find = async |view: &PlatformView| view.one(view.platform::<Entity>().filter(by_id)).await;
    service.db.read(find).await
}

/// Adds the HMAC of a module's client secret where there is none yet.
pub(crate) async fn add_secret_mac(tx: &PlatformTx, id: Uuid, mac: Vec<u8>) -> Result<u64, DbError> {
    const ADD: CrossTenantStatement =
        CrossTenantStatement::new("UPDATE module SET secret_mac = $2 WHERE id = $1 AND secret_mac IS NULL");
    tx.execute(&ADD, vec![id.into(), mac.into()]).await
}
