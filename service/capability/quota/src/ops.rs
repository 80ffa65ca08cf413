//! Taking, giving back, setting.

use std::collections::BTreeMap;

use entity::quota::resource;
use entity::quota::usage::{Column, Entity, Model};
use entity::tenancy::states::BillingState;
use entity::tenancy::{plan, tenant};
use platform::{DbError, Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::error::Error;
use crate::store;
use crate::usage::Usage;

/// What is counted here, without any module.
pub const OWN_RESOURCES: [&str; 5] = ["users", "admins", "nodes", "groups", "connections"];

platform::events! {
    /// A tenant's usage of a resource exceeds the soft limit.
    pub(crate) struct SoftLimitReached = "quota.soft_limit_reached" {
        resource: String,
        soft_limit: i64,
        used: i64,
        limit: Option<i64>,
    }
}

/// Refuses new seats while a payment is overdue.
///
/// # Errors
/// [`Error::SeatBlocked`]
pub fn require_free(resource: &str, billing: BillingState) -> Result<(), Error> {
    if matches!(resource, "users" | "admins") && billing == BillingState::Grace {
        return Err(Error::SeatBlocked { resource: resource.to_owned() });
    }
    Ok(())
}

/// Takes `amount` of `resource` and answers the usage after it. One statement decides and counts, so that two takers of the last
/// unit can't both have it.
///
/// # Errors
/// [`Error::Exceeded`]; [`Error::SeatBlocked`] for seats while a payment is overdue.
pub async fn take(tx: &mut Tx, resource: &str, amount: i64) -> Result<Usage, Error> {
    let mut taken = store::take(tx, resource, amount).await?;
    if taken.is_none() && expire(tx, resource).await? > 0 {
        taken = store::take(tx, resource, amount).await?;
    }
    match taken {
        Some(usage) => {
            notify_soft_limit(tx, &usage, amount);
            Ok(usage)
        }
        None => refused(tx, resource).await,
    }
}

/// Gives back what was held for too long; answers how much that was.
pub(crate) async fn expire(tx: &Tx, resource: &str) -> Result<i64, DbError> {
    let amount = store::expire_of(tx, resource).await?;
    if amount > 0 {
        store::give_back_expired(tx, resource, amount).await?;
    }
    Ok(amount)
}

/// Why nothing could be taken. What has no quota isn't limited: a resource that the plan doesn't name.
async fn refused(tx: &Tx, resource: &str) -> Result<Usage, Error> {
    let Some(usage) = find(tx, resource).await? else {
        return Ok(Usage {
            resource: resource.to_owned(),
            limit: None,
            used: 0,
            reserved: 0,
            soft_limit: None,
            own: false,
        });
    };
    Err(why(tx, usage).await?)
}

/// Why there was no room in a row that is there.
pub(crate) async fn why(tx: &Tx, usage: Usage) -> Result<Error, DbError> {
    let row = tx.one(tx.select::<tenant::Entity>()).await?;
    let free = row.map_or(Ok(()), |row| require_free(&usage.resource, row.billing_state));
    Ok(free.err().unwrap_or(Error::Exceeded(usage)))
}

/// Records and publishes that a soft limit was crossed by this amount.
pub(crate) fn notify_soft_limit(tx: &mut Tx, usage: &Usage, amount: i64) {
    let held = usage.used + usage.reserved;
    let Some(soft) = usage.soft_limit.filter(|soft| held >= *soft && held - amount < *soft) else { return };
    tx.record("quota.soft_limit", Target::new("quota", &usage.resource));
    tx.emit(&SoftLimitReached {
        resource: usage.resource.clone(),
        soft_limit: soft,
        used: usage.used,
        limit: usage.limit,
    });
}

/// Gives back `amount` of `resource`.
pub async fn give_back(tx: &Tx, resource: &str, amount: i64) -> Result<(), DbError> {
    store::take_off_used(tx, resource, amount).await
}

/// Locks the rows of these resources, in the one order in which several are locked: by name. For who will take or give back
/// some of each, one after the other.
pub async fn hold(tx: &Tx, resources: &[&str]) -> Result<(), DbError> {
    let select = tx.select::<Entity>().filter(Column::Resource.is_in(resources.iter().copied()));
    tx.lock_all::<_, String>(select, Column::Resource).await
}

pub(crate) async fn find(view: &View, resource: &str) -> Result<Option<Usage>, DbError> {
    Ok(view.one(view.select::<Entity>().filter(Column::Resource.eq(resource))).await?.map(Usage::from))
}

/// All quotas of the tenant.
pub async fn list(view: &View) -> Result<Vec<Usage>, DbError> {
    let rows = view.all(view.select::<Entity>().order_by_asc(Column::Resource)).await?;
    Ok(rows.into_iter().map(Usage::from).collect())
}

fn limits(value: &Value) -> BTreeMap<String, Option<i64>> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, limit)| (name.clone(), limit.as_i64())).collect()
}

/// What a resource's row looks like before anything is used.
pub(crate) fn fresh(tx: &Tx, resource: &str, limit: Option<i64>, own: bool) -> Model {
    Model {
        tenant_id: tx.tenant(),
        resource: resource.to_owned(),
        limit_value: limit,
        used: 0,
        updated_at: tx.now(),
        limit_own: own,
        limit_soft: None,
        reserved: 0,
    }
}

/// Sets the limits of a plan (`{"users": 5, "nodes": null}`, null: unlimited) and of what modules declared for it, keeping usage and
/// the tenant's own limits. A limit below what is used keeps the old and refuses the new.
pub async fn apply_plan(
    tx: &Tx,
    plan: &plan::Model,
    own: &BTreeMap<String, Option<i64>>,
) -> Result<(), DbError> {
    let mut planned = limits(&plan.quotas);
    for declared in tx.all(tx.shared::<resource::Entity>()).await? {
        if let Some(limit) = limits(&declared.limits).get(&plan.key) {
            planned.entry(declared.key).or_insert(*limit);
        }
    }
    let rows = tx.all(tx.select::<Entity>().order_by_asc(Column::Resource)).await?;
    let mut there: BTreeMap<String, Model> =
        rows.into_iter().map(|row| (row.resource.clone(), row)).collect();
    let mut made = Vec::new();
    for name in planned.keys().chain(own.keys()).collect::<std::collections::BTreeSet<_>>() {
        let before = there.remove(name);
        let is_new = before.is_none();
        let mut row = before.unwrap_or_else(|| fresh(tx, name, None, false));
        match own.get(name) {
            Some(limit) => (row.limit_value, row.limit_own) = (*limit, true),
            None if row.limit_own => {}
            None => row.limit_value = planned.get(name).copied().flatten(),
        }
        row.limit_soft = soft_limit(plan, name);
        row.updated_at = tx.now();
        if is_new {
            made.push(row);
        } else {
            store::set_limits(tx, &row).await?;
        }
    }
    // What the new plan doesn't name isn't limited by it any more.
    for row in there.into_values().filter(|row| !row.limit_own && row.limit_value.is_some()) {
        store::set_limits(tx, &Model { limit_value: None, limit_soft: None, ..row }).await?;
    }
    tx.insert_all(made).await
}

/// The use of a resource from which on a plan has it told.
pub(crate) fn soft_limit(plan: &plan::Model, resource: &str) -> Option<i64> {
    plan.soft_quotas.get(resource)?.as_i64()
}

/// Sets the tenant's own limits.
///
/// # Errors
/// [`Error::BelowUsage`]: a limit that somebody sets by hand below what is used is a mistake. (A plan's may be: a downgrade keeps what
/// is there and refuses what is new.)
pub async fn set(tx: &mut Tx, limits: &BTreeMap<String, Option<i64>>) -> Result<Vec<Usage>, Error> {
    let mut before: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    for (resource, limit) in limits {
        let row = tx.lock(tx.select::<Entity>().filter(Column::Resource.eq(resource))).await?;
        let Some(row) = row else {
            tx.insert(fresh(tx, resource, *limit, true)).await?;
            continue;
        };
        before.insert(resource, row.limit_value);
        let held = row.used + row.reserved;
        if let Some(limit) = limit.filter(|limit| *limit < held) {
            return Err(Error::BelowUsage { limit, usage: row.into() });
        }
        store::set_limits(tx, &Model { limit_value: *limit, limit_own: true, ..row }).await?;
    }
    let details = json!({"from": before, "to": limits});
    tx.record("quota.set", Target::new("tenant", tx.tenant()).with(details));
    Ok(list(tx).await?)
}
