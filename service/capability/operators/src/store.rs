//! Queries over operators and their sessions.

use std::collections::HashMap;

use entity::operators::operator::Model;
use platform::{CrossTenantStatement, DbError, PlatformTx, PlatformView};
use uuid::Uuid;

/// Ends all sessions of an operator.
pub(crate) async fn end_sessions(tx: &PlatformTx, operator: Uuid) -> Result<(), DbError> {
    const END: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE operator_session SET ended_at = $2 WHERE operator_id = $1 AND ended_at IS NULL",
    );
    tx.execute(&END, vec![operator.into(), tx.now().into()]).await.map(drop)
}

/// Sets the count of wrong passwords back; false if the operator was disabled or has another password by now.
pub(crate) async fn reset_password_failures(tx: &PlatformTx, who: &Model) -> Result<bool, DbError> {
    const RESET: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE operator SET password_failures = 0, version = version + 1 \
         WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL",
    );
    Ok(tx.execute(&RESET, vec![who.id.into(), who.password_hash.clone().into()]).await? == 1)
}

/// Counts one more wrong password, up to `max`; false if there were so many already, or the operator or the password is no more.
pub(crate) async fn count_password_failure(tx: &PlatformTx, who: &Model, max: i64) -> Result<bool, DbError> {
    const COUNT: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE operator SET password_failures = password_failures + 1 \
         WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL AND password_failures < $3",
    );
    let values = vec![who.id.into(), who.password_hash.clone().into(), max.into()];
    Ok(tx.execute(&COUNT, values).await? == 1)
}

/// Counts one wrong password less.
pub(crate) async fn take_back_password_failure(tx: &PlatformTx, operator: Uuid) -> Result<(), DbError> {
    const TAKE_BACK: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE operator SET password_failures = password_failures - 1 WHERE id = $1 AND password_failures > 0",
    );
    tx.execute(&TAKE_BACK, vec![operator.into()]).await.map(drop)
}

/// How many sessions live, by operator.
pub(crate) async fn live_sessions(view: &PlatformView) -> Result<HashMap<Uuid, u64>, DbError> {
    const LIVE: CrossTenantStatement = CrossTenantStatement::new(
        "SELECT operator_id, COUNT(*) AS live FROM operator_session \
         WHERE ended_at IS NULL AND expires_at > $1 GROUP BY operator_id",
    );
    let mut live = HashMap::new();
    for row in view.query(&LIVE, vec![view.now().into()]).await? {
        let count: i64 = row.try_get("", "live")?;
        live.insert(row.try_get("", "operator_id")?, count.unsigned_abs());
    }
    Ok(live)
}
