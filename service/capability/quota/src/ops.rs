//! Taking, giving back, setting.

use std::collections::BTreeMap;

use entity::quota::resource;
use entity::quota::usage::{Column, Entity, Model};
use entity::tenancy::states::BillingState;
use entity::tenancy::{plan, tenant};
use platform::tx::Event;
use platform::{DbError, Target, Tx, View, Work};
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::usage::Usage;

/// What is counted here, without any module.
pub const OWN_RESOURCES: [&str; 5] = ["users", "admins", "nodes", "groups", "connections"];

/// A soft limit was reached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SoftLimitReached<'a> {
    resource: &'a str,
    soft_limit: i64,
    used: i64,
    limit: Option<i64>,
}

impl Event for SoftLimitReached<'_> {
    const TYPE: &'static str = "quota.soft_limit_reached";
}

/// What a statement of this module returns of the row that it changed.
fn changed(rows: &[QueryResult]) -> Result<Option<Usage>, DbError> {
    let row = rows.first().map(|row| Model::from_query_result(row, "")).transpose()?;
    Ok(row.map(Usage::from))
}

/// Adds `$3` to a column of a resource's row, if there are so many and [`require_free`] allows it.
macro_rules! adding {
    ($column:literal) => {
        concat!(
            "UPDATE quota SET ",
            $column,
            " = ",
            $column,
            " + $3, updated_at = $4 WHERE tenant_id = $1 AND resource = $2 \
             AND (limit_value IS NULL OR used + reserved + $3 <= limit_value) \
             AND (resource NOT IN ('users', 'admins') OR NOT EXISTS \
                  (SELECT 1 FROM tenant WHERE tenant.id = quota.tenant_id AND billing_state = 'grace')) RETURNING *"
        )
    };
}

const TAKE: &str = adding!("used");
pub(crate) const HOLD: &str = adding!("reserved");

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
    let values = || vec![resource.into(), amount.into(), tx.now().into()];
    let mut taken = changed(&tx.execute_returning(TAKE, values()).await?)?;
    if taken.is_none() && expire(tx, resource).await? > 0 {
        taken = changed(&tx.execute_returning(TAKE, values()).await?)?;
    }
    match taken {
        Some(usage) => {
            tell(tx, &usage, amount);
            Ok(usage)
        }
        None => refused(tx, resource).await,
    }
}

/// Gives back what was held for too long; answers how much that was.
pub(crate) async fn expire(tx: &Tx, resource: &str) -> Result<i64, DbError> {
    let sql = "UPDATE quota_reservation SET status = 'expired', settled_at = $3 \
               WHERE tenant_id = $1 AND resource = $2 AND status = 'held' AND expires_at <= $3 RETURNING amount";
    let rows = tx.execute_returning(sql, vec![resource.into(), tx.now().into()]).await?;
    let amounts: Vec<i64> = rows.iter().map(|row| row.try_get("", "amount")).collect::<Result<_, _>>()?;
    let amount: i64 = amounts.into_iter().sum();
    if amount > 0 {
        let sql = "UPDATE quota SET reserved = reserved - $3 WHERE tenant_id = $1 AND resource = $2";
        tx.execute(sql, vec![resource.into(), amount.into()]).await?;
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

/// Tells that a soft limit was crossed by this amount.
pub(crate) fn tell(tx: &mut Tx, usage: &Usage, amount: i64) {
    let held = usage.used + usage.reserved;
    let Some(soft) = usage.soft_limit.filter(|soft| held >= *soft && held - amount < *soft) else { return };
    tx.record("quota.soft_limit", Target::new("quota", &usage.resource));
    tx.emit(&SoftLimitReached {
        resource: &usage.resource,
        soft_limit: soft,
        used: usage.used,
        limit: usage.limit,
    });
}

/// Gives back `amount` of `resource`.
///
/// # Errors
/// [`DbError`].
pub async fn give_back(tx: &Tx, resource: &str, amount: i64) -> Result<(), DbError> {
    let sql = "UPDATE quota SET used = CASE WHEN used > $3 THEN used - $3 ELSE 0 END, updated_at = $4 \
               WHERE tenant_id = $1 AND resource = $2";
    tx.execute(sql, vec![resource.into(), amount.into(), tx.now().into()]).await?;
    Ok(())
}

/// Locks the rows of these resources, in the one order in which several are locked: by name. For who will take or give back
/// some of each, one after the other.
///
/// # Errors
/// [`DbError`].
pub async fn hold(tx: &Tx, resources: &[&str]) -> Result<(), DbError> {
    let select = tx.select::<Entity>().filter(Column::Resource.is_in(resources.iter().copied()));
    tx.lock_all::<_, String>(select, Column::Resource).await
}

pub(crate) async fn find(view: &View, resource: &str) -> Result<Option<Usage>, DbError> {
    Ok(view.one(view.select::<Entity>().filter(Column::Resource.eq(resource))).await?.map(Usage::from))
}

/// All quotas of the tenant.
///
/// # Errors
/// [`DbError`].
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
///
/// # Errors
/// [`DbError`].
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
            set_limits(tx, &row).await?;
        }
    }
    // What the new plan doesn't name isn't limited by it any more.
    for row in there.into_values().filter(|row| !row.limit_own && row.limit_value.is_some()) {
        set_limits(tx, &Model { limit_value: None, limit_soft: None, ..row }).await?;
    }
    tx.insert_all(made).await
}

/// The use of a resource from which on a plan has it told.
pub(crate) fn soft_limit(plan: &plan::Model, resource: &str) -> Option<i64> {
    plan.soft_quotas.get(resource)?.as_i64()
}

/// Writes the limits of a row and leaves alone what is counted: others count meanwhile.
async fn set_limits(tx: &Tx, row: &Model) -> Result<(), DbError> {
    let sql = "UPDATE quota SET limit_value = $3, limit_own = $4, limit_soft = $5, updated_at = $6 \
               WHERE tenant_id = $1 AND resource = $2";
    let values = vec![
        row.resource.clone().into(),
        row.limit_value.into(),
        row.limit_own.into(),
        row.limit_soft.into(),
        tx.now().into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Sets the tenant's own limits.
///
/// # Errors
/// [`Error::BelowUsage`]: a limit that somebody sets by hand below what is used is a mistake. (A plan's may be: a downgrade keeps what
/// is there and refuses what is new.)
pub async fn set(tx: &mut Tx, limits: &BTreeMap<String, Option<i64>>) -> Result<Vec<Usage>, Error> {
    for (resource, limit) in limits {
        let row = tx.lock(tx.select::<Entity>().filter(Column::Resource.eq(resource))).await?;
        let Some(row) = row else {
            tx.insert(fresh(tx, resource, *limit, true)).await?;
            continue;
        };
        let held = row.used + row.reserved;
        if let Some(limit) = limit.filter(|limit| *limit < held) {
            return Err(Error::BelowUsage { limit, usage: row.into() });
        }
        set_limits(tx, &Model { limit_value: *limit, limit_own: true, ..row }).await?;
    }
    let details = serde_json::to_value(limits).unwrap_or_default();
    tx.record("quota.set", Target::new("tenant", tx.tenant()).with(details));
    Ok(list(tx).await?)
}
