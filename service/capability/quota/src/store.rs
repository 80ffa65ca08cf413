//! Statements over quotas, reservations and samples. One statement decides and counts, so that two takers of the last unit can't both
//! have it.

use entity::quota::reservation;
use entity::quota::usage::Model;
use platform::retention::{Expiry, SWEPT_AT_ONCE};
use platform::{CrossTenantStatement, DbError, PlatformTx, Statement, Timestamp, Tx};
use sea_orm::FromQueryResult as _;
use uuid::Uuid;

use crate::usage::Usage;

/// Adds `$3` to a column of a resource's row, if there are so many and [`crate::require_free`] allows it.
macro_rules! adding {
    ($column:literal) => {
        Statement::of_tenant(concat!(
            "UPDATE quota SET ",
            $column,
            " = ",
            $column,
            " + $3, updated_at = $4 WHERE tenant_id = $1 AND resource = $2 \
             AND (limit_value IS NULL OR used + reserved + $3 <= limit_value) \
             AND (resource NOT IN ('users', 'admins') OR NOT EXISTS \
                  (SELECT 1 FROM tenant WHERE tenant.id = quota.tenant_id AND billing_state = 'grace')) RETURNING *"
        ))
    };
}

/// Takes `$3` off a column of a resource's row, down to nothing.
macro_rules! taking_off {
    ($column:literal) => {
        Statement::of_tenant(concat!(
            "UPDATE quota SET ",
            $column,
            " = CASE WHEN ",
            $column,
            " > $3 THEN ",
            $column,
            " - $3 ELSE 0 END, updated_at = $4 WHERE tenant_id = $1 AND resource = $2"
        ))
    };
}

const TAKE: Statement = adding!("used");
const HOLD: Statement = adding!("reserved");
const TAKE_OFF_USED: Statement = taking_off!("used");
const TAKE_OFF_RESERVED: Statement = taking_off!("reserved");

/// Counts `amount` of a resource as used; `None`: there is no room, or no row.
pub(crate) async fn take(tx: &Tx, resource: &str, amount: i64) -> Result<Option<Usage>, DbError> {
    add(tx, &TAKE, resource, amount).await
}

/// Counts `amount` of a resource as reserved; `None`: there is no room, or no row.
pub(crate) async fn hold(tx: &Tx, resource: &str, amount: i64) -> Result<Option<Usage>, DbError> {
    add(tx, &HOLD, resource, amount).await
}

async fn add(tx: &Tx, statement: &Statement, resource: &str, amount: i64) -> Result<Option<Usage>, DbError> {
    let values = vec![resource.into(), amount.into(), tx.now().into()];
    let rows = tx.execute_returning(statement, values).await?;
    let row = rows.first().map(|row| Model::from_query_result(row, "")).transpose()?;
    Ok(row.map(Usage::from))
}

/// Counts `amount` of a resource as used no more.
pub(crate) async fn take_off_used(tx: &Tx, resource: &str, amount: i64) -> Result<(), DbError> {
    tx.execute(&TAKE_OFF_USED, vec![resource.into(), amount.into(), tx.now().into()]).await.map(drop)
}

/// Counts `amount` of a resource as reserved no more.
pub(crate) async fn take_off_reserved(tx: &Tx, resource: &str, amount: i64) -> Result<(), DbError> {
    tx.execute(&TAKE_OFF_RESERVED, vec![resource.into(), amount.into(), tx.now().into()]).await.map(drop)
}

/// Counts as used what this reservation held.
pub(crate) async fn turn_into_usage(tx: &Tx, row: &reservation::Model) -> Result<(), DbError> {
    const TURN: Statement = Statement::of_tenant(
        "UPDATE quota SET reserved = reserved - $3, used = used + $3, updated_at = $4 \
         WHERE tenant_id = $1 AND resource = $2",
    );
    tx.execute(&TURN, vec![row.resource.clone().into(), row.amount.into(), tx.now().into()]).await.map(drop)
}

/// Writes the limits of a row and leaves alone what is counted: others count meanwhile.
pub(crate) async fn set_limits(tx: &Tx, row: &Model) -> Result<(), DbError> {
    const SET: Statement = Statement::of_tenant(
        "UPDATE quota SET limit_value = $3, limit_own = $4, limit_soft = $5, updated_at = $6 \
         WHERE tenant_id = $1 AND resource = $2",
    );
    let values = vec![
        row.resource.clone().into(),
        row.limit_value.into(),
        row.limit_own.into(),
        row.limit_soft.into(),
        tx.now().into(),
    ];
    tx.execute(&SET, values).await.map(drop)
}

/// Ends the reservations of a resource that were held for too long; answers how much they held.
pub(crate) async fn expire_of(tx: &Tx, resource: &str) -> Result<i64, DbError> {
    const EXPIRE: Statement = Statement::of_tenant(
        "UPDATE quota_reservation SET status = 'expired', settled_at = $3 \
         WHERE tenant_id = $1 AND resource = $2 AND status = 'held' AND expires_at <= $3 RETURNING amount",
    );
    let rows = tx.execute_returning(&EXPIRE, vec![resource.into(), tx.now().into()]).await?;
    let amounts: Vec<i64> = rows.iter().map(|row| row.try_get("", "amount")).collect::<Result<_, _>>()?;
    Ok(amounts.into_iter().sum())
}

/// Counts as reserved no more what reservations held that have expired.
pub(crate) async fn give_back_expired(tx: &Tx, resource: &str, amount: i64) -> Result<(), DbError> {
    const GIVE_BACK: Statement = Statement::of_tenant(
        "UPDATE quota SET reserved = reserved - $3 WHERE tenant_id = $1 AND resource = $2",
    );
    tx.execute(&GIVE_BACK, vec![resource.into(), amount.into()]).await.map(drop)
}

/// A reservation that has expired.
pub(crate) struct Expired {
    pub(crate) tenant: Uuid,
    pub(crate) resource: String,
    pub(crate) amount: i64,
}

/// Ends some of the reservations of all tenants that were held for too long.
pub(crate) async fn expire_some(tx: &PlatformTx) -> Result<Vec<Expired>, DbError> {
    const EXPIRE: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE quota_reservation SET status = 'expired', settled_at = $1 WHERE (tenant_id, id) IN \
         (SELECT tenant_id, id FROM quota_reservation WHERE status = 'held' AND expires_at <= $1 LIMIT $2) \
         RETURNING tenant_id, resource, amount",
    );
    let rows = tx.query(&EXPIRE, vec![tx.now().into(), SWEPT_AT_ONCE.cast_signed().into()]).await?;
    let expired = rows.iter().map(|row| {
        Ok(Expired {
            tenant: row.try_get("", "tenant_id")?,
            resource: row.try_get("", "resource")?,
            amount: row.try_get("", "amount")?,
        })
    });
    Ok(expired.collect::<Result<_, sea_orm::DbErr>>()?)
}

/// The same as [`give_back_expired`], for this tenant.
pub(crate) async fn give_back_expired_of(
    tx: &PlatformTx,
    tenant: Uuid,
    resource: &str,
    amount: i64,
) -> Result<(), DbError> {
    const GIVE_BACK: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE quota SET reserved = reserved - $3 WHERE tenant_id = $1 AND resource = $2",
    );
    tx.execute(&GIVE_BACK, vec![tenant.into(), resource.into(), amount.into()]).await.map(drop)
}

/// Removes some of the reservations that were released or expired before this moment.
pub(crate) async fn remove_finalized_before(tx: &PlatformTx, before: Timestamp) -> Result<(), DbError> {
    const REMOVE: CrossTenantStatement = CrossTenantStatement::new(
        "DELETE FROM quota_reservation WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM quota_reservation \
         WHERE status IN ('released', 'expired') AND settled_at < $1 LIMIT $2)",
    );
    tx.execute(&REMOVE, vec![before.into(), SWEPT_AT_ONCE.cast_signed().into()]).await.map(drop)
}

/// Removes some of the samples of days before this one.
pub(crate) async fn remove_sampled_before(tx: &PlatformTx, day: String) -> Result<(), DbError> {
    let sampled = Expiry::at("day", "tenant_id, resource, day");
    sampled.remove_before(tx, "quota_sample", day).await.map(drop)
}

/// Writes down for a day what is used now, of all tenants, where it is more than what was; tells how many rows it wrote.
pub(crate) async fn sample(tx: &PlatformTx, day: String) -> Result<u64, DbError> {
    const SAMPLE: CrossTenantStatement = CrossTenantStatement::new(
        "INSERT INTO quota_sample (tenant_id, resource, day, used, limit_value) \
         SELECT tenant_id, resource, $1, used, limit_value FROM quota WHERE used > 0 \
         ON CONFLICT (tenant_id, resource, day) DO UPDATE SET limit_value = excluded.limit_value, \
         used = CASE WHEN excluded.used > quota_sample.used THEN excluded.used ELSE quota_sample.used END",
    );
    tx.execute(&SAMPLE, vec![day.into()]).await
}
