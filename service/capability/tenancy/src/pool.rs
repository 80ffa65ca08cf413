//! Instances as provisioning sees them: which there are, what becomes of them.

use entity::tenancy::instance::{Column, Entity, Model};
use entity::tenancy::states::{Driver, InstanceStatus, Mode};
use platform::tx::Reads;
use platform::{DbError, PlatformTx, PlatformView, Target, Work as _};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

use crate::http::InstanceAvailable;

/// Active instances of a driver, a mode and a region; without a region, those that say none.
pub async fn active_instances(
    reads: &Reads,
    driver: Driver,
    mode: Mode,
    region: Option<&str>,
) -> Result<Vec<Model>, DbError> {
    let active = active(reads, driver, mode);
    let select = match region {
        Some(region) => active.filter(Column::Region.eq(region)),
        None => active.filter(Column::Region.is_null()),
    };
    reads.all(select).await
}

/// Active instances of a driver and a mode, wherever they are.
pub(crate) fn active(reads: &Reads, driver: Driver, mode: Mode) -> Select<Entity> {
    reads
        .shared::<Entity>()
        .filter(Column::Status.eq(InstanceStatus::Active))
        .filter(Column::Driver.eq(driver))
        .filter(Column::Mode.eq(mode))
}

/// The instance of this id, if there is one.
pub async fn find_instance(reads: &Reads, id: Uuid) -> Result<Option<Model>, DbError> {
    reads.one(reads.shared::<Entity>().filter(Column::Id.eq(id))).await
}

/// Instances with an endpoint that are not offline, those first whose health was checked longest ago.
pub async fn instances_to_check(view: &PlatformView, limit: u64) -> Result<Vec<Model>, DbError> {
    let select = view.platform::<Entity>().filter(Column::Endpoint.is_not_null());
    let select = select.filter(Column::Status.ne(InstanceStatus::Offline));
    view.all(select.order_by_asc(Column::HealthCheckedAt).limit(limit)).await
}

/// The regions that instances say.
pub async fn regions(view: &PlatformView) -> Result<Vec<String>, DbError> {
    let select = view.platform::<Entity>().filter(Column::Region.is_not_null());
    view.tuples(select.select_only().column(Column::Region).distinct().limit(1000)).await
}

/// Registers an instance that was deployed, unless it is registered.
pub async fn register_instance(tx: &mut PlatformTx, row: Model) -> Result<(), DbError> {
    if find_instance(tx, row.id).await?.is_some() {
        return Ok(());
    }
    let id = row.id;
    tx.insert(row).await?;
    tx.record("instance.create", Target::new("instance", id));
    tx.emit(&InstanceAvailable { instance_id: id });
    Ok(())
}

/// Removes an instance that is gone, unless a tenant is on it.
pub async fn remove_instance(tx: &mut PlatformTx, id: Uuid) -> Result<(), DbError> {
    match tx.lock(tx.platform::<Entity>().filter(Column::Id.eq(id))).await? {
        Some(row) if row.tenant_count == 0 => {
            tx.record("instance.delete", Target::new("instance", row.id));
            tx.delete(row).await
        }
        _ => {
            tx.housekeeping();
            Ok(())
        }
    }
}
