//! Taking, giving back, setting.

use std::collections::BTreeMap;

use entity::quota::usage::{Column, Entity, Model};
use platform::{DbError, Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use serde_json::Value;
use web::{Code, Problem};

/// Limit and usage of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What is counted.
    pub resource: String,
    /// How much there may be; `None`: as much as you like.
    pub limit: Option<i64>,
    /// How much there is.
    pub used: i64,
}

impl Usage {
    /// What is left; `None`: as much as you like.
    pub fn remaining(&self) -> Option<i64> {
        self.limit.map(|limit| (limit - self.used).max(0))
    }
}

impl From<Model> for Usage {
    fn from(row: Model) -> Self {
        Self { resource: row.resource, limit: row.limit_value, used: row.used }
    }
}

/// Takes `amount` of `resource` and answers the usage after it.
///
/// # Errors
/// `quota.exceeded` with resource, limit and usage as facts.
pub async fn take(tx: &Tx, resource: &str, amount: i64) -> Result<Usage, Problem> {
    let sql = "UPDATE quota SET used = used + $3, updated_at = $4 \
               WHERE tenant_id = $1 AND resource = $2 AND (limit_value IS NULL OR used + $3 <= limit_value)";
    let values = vec![resource.into(), amount.into(), tx.now().into()];
    let taken = tx.execute(sql, values).await? == 1;
    let usage = find(tx, resource).await?;
    match (taken, usage) {
        (true, Some(usage)) => Ok(usage),
        (false, Some(usage)) => Err(Problem::new(Code::QuotaExceeded)
            .fact("resource", resource)
            .fact("limit", usage.limit)
            .fact("used", usage.used)),
        // What has no quota isn't limited: a resource that the plan doesn't name.
        (_, None) => Ok(Usage { resource: resource.to_owned(), limit: None, used: 0 }),
    }
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

async fn find(view: &View, resource: &str) -> Result<Option<Usage>, DbError> {
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

/// Sets the limits of a plan (`{"users": 5, "nodes": null}`, null: unlimited), keeping usage and the tenant's own limits.
///
/// # Errors
/// [`DbError`].
pub async fn apply_plan(
    tx: &Tx,
    limits: &Value,
    overrides: &BTreeMap<String, Option<i64>>,
) -> Result<(), DbError> {
    let planned =
        limits.as_object().into_iter().flatten().map(|(name, limit)| (name.clone(), limit.as_i64()));
    let mut wanted: BTreeMap<String, (Option<i64>, bool)> =
        planned.map(|(name, limit)| (name, (limit, false))).collect();
    for (name, limit) in overrides {
        wanted.insert(name.clone(), (*limit, true));
    }
    for (resource, (limit, own)) in wanted {
        match tx.lock(tx.select::<Entity>().filter(Column::Resource.eq(&resource))).await? {
            Some(row) => {
                let limit_override = if own { limit } else { row.limit_override };
                let limit_value = limit_override.or(limit);
                tx.update(Model { limit_override, limit_value, updated_at: tx.now(), ..row }).await?;
            }
            None => {
                let limit_override = limit.filter(|_| own);
                let row = Model {
                    tenant_id: tx.tenant(),
                    resource,
                    limit_override,
                    limit_value: limit,
                    used: 0,
                    updated_at: tx.now(),
                };
                tx.insert(row).await?;
            }
        }
    }
    Ok(())
}

/// Sets the tenant's own limits.
///
/// # Errors
/// [`DbError`].
pub async fn set(tx: &mut Tx, limits: &BTreeMap<String, Option<i64>>) -> Result<Vec<Usage>, DbError> {
    apply_plan(tx, &Value::Null, limits).await?;
    let details = serde_json::to_value(limits).unwrap_or_default();
    tx.record("quota.set", Target::new("tenant", tx.tenant()).with(details));
    list(tx).await
}
