//! Reservations: some of a resource is held for a module until it commits or releases it, or takes too long.
//!
//! A hold counts like usage. A committed reservation is a usage that the module can give back by the reservation's id, once.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::quota::reservation::{Column, Entity, Model};
use entity::quota::states::ReservationStatus;
use entity::quota::{resource, usage};
use entity::tenancy::status::Asks;
use entity::tenancy::{plan, tenant};
use platform::{DbError, PlatformTx, Target, Tx, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;

use crate::error::Error;
use crate::ops::{OWN_RESOURCES, expire, find, fresh, hold, notify_soft_limit, soft_limit, why};
use crate::store;
use crate::usage::Usage;

/// Finalized reservations are kept this long.
const FINALIZED_RETENTION: TimeDelta = TimeDelta::days(1);

/// Holds `amount` of `resource` for `lifetime`.
///
/// # Errors
/// [`Error::Exceeded`], [`Error::ResourceUnknown`]; [`Error::SeatBlocked`] for seats while a payment is overdue.
pub async fn reserve(
    tx: &mut Tx,
    resource: &str,
    amount: i64,
    lifetime: TimeDelta,
) -> Result<(Model, Usage), Error> {
    let mut held = None;
    // Once as it is, once after what is too old was given back, or after the resource's row was made.
    for attempt in 0..2 {
        held = store::hold(tx, resource, amount).await?;
        if held.is_some() {
            break;
        }
        let again = attempt == 0 && (expire(tx, resource).await? > 0 || declare(tx, resource).await?);
        if !again {
            break;
        }
    }
    let Some(usage) = held else {
        let usage = find(tx, resource).await?.ok_or_else(|| unknown(resource))?;
        return Err(why(tx, usage).await?);
    };
    let row = Model {
        tenant_id: tx.tenant(),
        id: ids::new(),
        resource: resource.to_owned(),
        amount,
        status: ReservationStatus::Held,
        created_at: tx.now(),
        expires_at: tx.now() + lifetime,
        closed_at: None,
    };
    tx.insert(row.clone()).await?;
    tx.record("quota.reserve", Target::new("reservation", row.id));
    notify_soft_limit(tx, &usage, amount);
    Ok((row, usage))
}

/// Refuses a tenant that isn't active.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unusable`]
pub(crate) async fn require_active(tx: &Tx) -> Result<(), Error> {
    let select = tx.select::<tenant::Entity>().filter(tenant::Column::DryRunOf.is_null());
    let row = tx.one(select).await?.ok_or(Error::NotFound)?;
    Ok(row.status.admits(Asks::People)?)
}

/// Makes the row of a resource that is known and that this tenant has not used yet; false: it is there.
async fn declare(tx: &Tx, name: &str) -> Result<bool, Error> {
    if find(tx, name).await?.is_some() {
        return Ok(false);
    }
    let tenant = tx.one(tx.select::<tenant::Entity>()).await?.ok_or(Error::NotFound)?;
    let plan = tx.one(tx.shared::<plan::Entity>().filter(plan::Column::Key.eq(&tenant.plan))).await?;
    let declared = tx.shared::<resource::Entity>().filter(resource::Column::Key.eq(name));
    let declared = tx.one(declared).await?;
    let soft = plan.as_ref().and_then(|plan| soft_limit(plan, name));
    let planned = plan.and_then(|plan| plan.quotas.get(name).cloned());
    let known = OWN_RESOURCES.contains(&name) || planned.is_some() || declared.is_some();
    if !known {
        return Err(unknown(name));
    }
    let limit = planned.or_else(|| declared?.limits.get(&tenant.plan).cloned());
    // Another request may make it at the same moment.
    let row = fresh(tx, name, limit.and_then(|limit| limit.as_i64()), false);
    tx.insert_unless_there(usage::Model { limit_soft: soft, ..row }).await?;
    Ok(true)
}

fn unknown(resource: &str) -> Error {
    Error::ResourceUnknown { resource: resource.to_owned() }
}

async fn locked(tx: &Tx, id: Uuid) -> Result<Model, Error> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

async fn finalize(
    tx: &mut Tx,
    row: Model,
    status: ReservationStatus,
    action: &'static str,
) -> Result<Model, DbError> {
    let row = Model { status, closed_at: Some(tx.now()), ..row };
    tx.update(row.clone()).await?;
    tx.record(action, Target::new("reservation", row.id));
    Ok(row)
}

/// Makes a hold a usage. Twice is once.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::ReservationFinalized`] if it was released or has expired.
pub async fn commit(tx: &mut Tx, id: Uuid) -> Result<Model, Error> {
    let row = locked(tx, id).await?;
    match row.status {
        ReservationStatus::Committed => {
            tx.housekeeping();
            Ok(row)
        }
        ReservationStatus::Held if row.expires_at > tx.now() => {
            store::turn_into_usage(tx, &row).await?;
            Ok(finalize(tx, row, ReservationStatus::Committed, "quota.commit").await?)
        }
        // One that is held for too long has expired, whether or not it was swept.
        other @ (ReservationStatus::Held | ReservationStatus::Released | ReservationStatus::Expired) => {
            Err(Error::ReservationFinalized(other))
        }
    }
}

/// Gives a hold back, or the usage that it became. Twice is once.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn release(tx: &mut Tx, id: Uuid) -> Result<(), Error> {
    let row = locked(tx, id).await?;
    Ok(free(tx, row).await?)
}

/// Gives several holds back. All their rows are locked first, then those of `resources`, of which the caller may take some
/// again: the order in which everybody locks them.
pub async fn release_all(tx: &mut Tx, ids: &[Uuid], resources: &[&str]) -> Result<(), DbError> {
    let select = tx.select::<Entity>().filter(Column::Id.is_in(ids.iter().copied()));
    let rows = tx.lock_rows(select, Column::Id).await?;
    hold(tx, resources).await?;
    for row in rows {
        free(tx, row).await?;
    }
    Ok(())
}

async fn free(tx: &mut Tx, row: Model) -> Result<(), DbError> {
    match row.status {
        ReservationStatus::Held => store::take_off_reserved(tx, &row.resource, row.amount).await?,
        ReservationStatus::Committed => store::take_off_used(tx, &row.resource, row.amount).await?,
        ReservationStatus::Released | ReservationStatus::Expired => {
            tx.housekeeping();
            return Ok(());
        }
    }
    finalize(tx, row, ReservationStatus::Released, "quota.release").await.map(drop)
}

/// Gives back what was held for too long, of all tenants, and removes what was finalized long ago.
pub async fn sweep(tx: &mut PlatformTx) -> Result<u64, DbError> {
    tx.housekeeping();
    // Reservations first, then quotas: the order in which everybody locks them.
    let expired = store::expire_some(tx).await?;
    let count = expired.len() as u64;
    let mut sums: BTreeMap<(Uuid, String), i64> = BTreeMap::new();
    for one in expired {
        *sums.entry((one.tenant, one.resource)).or_default() += one.amount;
    }
    for ((tenant, resource), amount) in sums {
        store::give_back_expired_of(tx, tenant, &resource, amount).await?;
    }
    store::remove_finalized_before(tx, tx.now() - FINALIZED_RETENTION).await?;
    Ok(count)
}
