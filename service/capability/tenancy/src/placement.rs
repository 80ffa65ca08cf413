//! Where a tenant runs: a place on a shared instance, or an instance of its own.

use entity::tenancy::states::{Driver, Isolation, Mode};
use entity::tenancy::{instance, tenant};
use platform::{DbError, Tx, View};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder as _, QuerySelect as _, Select};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use crate::ops::locked;
use crate::pool::find_instance;
use crate::store::{give_place, take_place};

/// How often another place is looked for when somebody was faster.
const PLACES_TRIED: u32 = 5;

/// Where a tenant runs, or is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Who makes its instance.
    pub driver: Driver,
    /// Whether others are on it.
    pub mode: Mode,
    /// What it was sold (the SKU).
    pub isolation: Isolation,
    /// In which region; `None`: in any.
    pub region: Option<String>,
    /// On which instance, once one is found.
    pub instance: Option<Uuid>,
}

impl Place {
    /// Where this tenant is.
    pub fn of(row: &tenant::Model) -> Self {
        Self {
            driver: row.instance_driver,
            mode: row.instance_mode,
            isolation: row.isolation,
            region: row.region.clone(),
            instance: row.instance_id,
        }
    }

    /// Whether the instance is made for this tenant, by a deployment of its own.
    pub fn is_own(&self) -> bool {
        self.driver == Driver::Azure && self.mode == Mode::Dedicated
    }
}

/// What an isolation promises: only who shares is with others.
pub fn mode_of(isolation: Isolation) -> Mode {
    match isolation {
        Isolation::Shared => Mode::Shared,
        Isolation::Namespace | Isolation::Private => Mode::Dedicated,
    }
}

/// Whether instances of the pool are registered. Without any, tenants are placed by somebody else, or nowhere.
pub async fn has_pool(view: &View) -> Result<bool, DbError> {
    let any = view.shared::<instance::Entity>().filter(instance::Column::Driver.eq(Driver::Pool));
    Ok(view.one(any).await?.is_some())
}

/// Places the tenant, unless it has a place; `None`: nowhere is room.
///
/// # Errors
/// [`Error::Store`]
pub async fn place(tx: &Tx, row: &tenant::Model) -> Result<Option<Uuid>, Error> {
    let place = Place::of(row);
    if place.instance.is_some() {
        return Ok(place.instance);
    }
    let Some(id) = take_capacity(tx, &place, None).await? else { return Ok(None) };
    store_place(tx, Place { instance: Some(id), ..place }).await?;
    Ok(Some(id))
}

/// Places the tenant on this instance, unless it has a place; false: there is no room.
///
/// # Errors
/// [`Error::Store`]
pub async fn place_on(tx: &Tx, row: &tenant::Model, id: Uuid) -> Result<bool, Error> {
    if let Some(has) = row.instance_id {
        return Ok(has == id);
    }
    if !take_place(tx, id).await? {
        return Ok(false);
    }
    store_place(tx, Place { instance: Some(id), ..Place::of(row) }).await?;
    Ok(true)
}

/// Takes a place on the least-loaded active instance that fits and has room, but for this one; `None`: nowhere is room.
pub async fn take_capacity(tx: &Tx, place: &Place, but: Option<Uuid>) -> Result<Option<Uuid>, DbError> {
    // Looked for and counted in one statement each: if somebody else took the last place meanwhile, another is looked for.
    for _ in 0..PLACES_TRIED {
        let least = with_capacity(tx, place, but).order_by_asc(instance::Column::TenantCount);
        let least = least.order_by_asc(instance::Column::Id).limit(1);
        let Some(chosen) = tx.one(least).await? else { return Ok(None) };
        if take_place(tx, chosen.id).await? {
            return Ok(Some(chosen.id));
        }
    }
    Ok(None)
}

/// Whether an active instance that fits has room, but for this one.
pub async fn has_capacity(view: &View, place: &Place, but: Option<Uuid>) -> Result<bool, DbError> {
    Ok(view.one(with_capacity(view, place, but)).await?.is_some())
}

/// Active instances of the place's driver, mode and region that have room.
fn with_capacity(view: &View, place: &Place, but: Option<Uuid>) -> Select<instance::Entity> {
    let free = Expr::col(instance::Column::TenantCount).lt(Expr::col(instance::Column::Capacity));
    let all = crate::pool::active(view, place.driver, place.mode)
        .filter(in_region(place.region.as_deref()))
        .filter(free);
    match but {
        Some(id) => all.filter(instance::Column::Id.ne(id)),
        None => all,
    }
}

/// Instances of a region, and those that say none; all, where the tenant says none.
fn in_region(region: Option<&str>) -> Condition {
    match region {
        None => Condition::all(),
        Some(region) => {
            Condition::any().add(instance::Column::Region.eq(region)).add(instance::Column::Region.is_null())
        }
    }
}

/// Says where the tenant is; its place there was taken before.
///
/// # Errors
/// [`Error::Store`]
pub async fn store_place(tx: &Tx, place: Place) -> Result<tenant::Model, Error> {
    let row = locked(tx).await?;
    let row = tenant::Model {
        instance_driver: place.driver,
        instance_mode: place.mode,
        isolation: place.isolation,
        region: place.region,
        instance_id: place.instance,
        version: row.version + 1,
        updated_at: tx.now(),
        ..row
    };
    tx.update(row.clone()).await?;
    Ok(row)
}

/// The instance of this id.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn instance(view: &View, id: Uuid) -> Result<instance::Model, Error> {
    find_instance(view, id).await?.ok_or(Error::NotFound)
}

/// Takes the tenant off its instance, if it has one.
///
/// # Errors
/// [`Error::Store`]
pub async fn release(tx: &Tx) -> Result<(), Error> {
    let row = locked(tx).await?;
    let Some(id) = row.instance_id else { return Ok(()) };
    let place = Place::of(&row);
    store_place(tx, Place { instance: None, ..place }).await?;
    Ok(give_place(tx, id).await?)
}

#[cfg(test)]
mod tests {
    use entity::tenancy::states::{Isolation, Mode};

    #[test]
    fn only_who_shares_is_with_others() {
        let modes: Vec<Mode> = Isolation::ALL.iter().map(|one| super::mode_of(*one)).collect();
        assert_eq!(modes, [Mode::Shared, Mode::Dedicated, Mode::Dedicated]);
    }
}
