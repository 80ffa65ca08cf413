//! Modules in the store.

use delivery::Health;
use entity::modules::module::{Column, Entity, Model};
use platform::{CrossTenantStatement, DbError, PlatformTx, PlatformView};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;
use web::PlatformService;

/// So many modules there may be.
pub(crate) const MODULES_MAX: u64 = 1000;

/// One module.
pub async fn module(view: &PlatformView, id: Uuid) -> Result<Option<Model>, DbError> {
    view.one(view.platform::<Entity>().filter(Column::Id.eq(id))).await
}

/// All modules.
pub async fn modules(view: &PlatformView) -> Result<Vec<Model>, DbError> {
    view.all(view.platform::<Entity>().order_by_asc(Column::Id).limit(MODULES_MAX)).await
}

/// The module of this client id.
pub async fn client(service: &PlatformService, client_id: &str) -> Result<Option<Model>, DbError> {
    let by_id = Column::ClientId.eq(client_id);
    let find = async |view: &PlatformView| view.one(view.platform::<Entity>().filter(by_id)).await;
    service.db.read(find).await
}

/// The client ids of the modules that want to hear of sign-outs themselves (OpenID Connect Back-Channel Logout).
pub async fn clients_that_hear_logouts(view: &PlatformView) -> Result<Vec<String>, DbError> {
    let select = view.platform::<Entity>().filter(Column::BackchannelLogoutUri.is_not_null());
    Ok(view.all(select.limit(MODULES_MAX)).await?.into_iter().map(|module| module.client_id).collect())
}

/// Records how a module takes what it is sent: `next` says it from how it was.
pub async fn record_health(
    tx: &PlatformTx,
    id: Uuid,
    next: impl FnOnce(Health) -> Health,
) -> Result<(), DbError> {
    let found = tx.platform::<Entity>().filter(Column::Id.eq(id));
    let Some(before) = tx.lock(found).await? else { return Ok(()) };
    let was = Health {
        failures: before.failures,
        failing_since: before.failing_since,
        paused_until: before.paused_until,
    };
    let is = next(was);
    if is == was {
        return Ok(());
    }
    let Health { failures, failing_since, paused_until } = is;
    tx.update(Model { failures, failing_since, paused_until, ..before }).await
}

/// Adds the HMAC of a module's client secret where there is none yet.
pub(crate) async fn add_secret_mac(tx: &PlatformTx, id: Uuid, mac: Vec<u8>) -> Result<u64, DbError> {
    const ADD: CrossTenantStatement =
        CrossTenantStatement::new("UPDATE module SET secret_mac = $2 WHERE id = $1 AND secret_mac IS NULL");
    tx.execute(&ADD, vec![id.into(), mac.into()]).await
}
