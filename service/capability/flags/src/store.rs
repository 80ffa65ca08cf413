//! Statements over what modules have of each tenant's flags. A row is changed only in the version in which it was read, where a change
//! in between must not be lost.

use entity::flags::push::Model;
use platform::{CrossTenantStatement, DbError, PlatformTx, Timestamp};
use sea_orm::Value;
use uuid::Uuid;

/// What names a row in a version: the first three parameters.
fn in_version(row: &Model) -> Vec<Value> {
    vec![row.tenant_id.into(), row.module_id.into(), row.version.into()]
}

/// Gives some modules' rows of a tenant the next version, where what the tenant gets has changed.
pub(crate) async fn raise(
    tx: &PlatformTx,
    tenant: Uuid,
    modules: &[Uuid],
    digest: Vec<u8>,
) -> Result<(), DbError> {
    let (test, list) = tx.id_list(modules, "$4");
    let raise = CrossTenantStatement::built(format!(
        "UPDATE flag_push SET version = version + 1, digest = $2, updated_at = $3, attempts = 0, next_attempt_at = NULL \
         WHERE tenant_id = $1 AND digest <> $2 AND module_id {test}"
    ));
    tx.execute(&raise, vec![tenant.into(), digest.into(), tx.now().into(), list]).await.map(drop)
}

/// Gives all rows of a module the next version; tells how many.
pub(crate) async fn raise_all(tx: &PlatformTx, module: Uuid) -> Result<u64, DbError> {
    const RAISE: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE flag_push SET version = version + 1, updated_at = $2, attempts = 0, next_attempt_at = NULL \
         WHERE module_id = $1",
    );
    tx.execute(&RAISE, vec![module.into(), tx.now().into()]).await
}

/// Gives a row a version that is later than both: what the module has, and what it was told.
pub(crate) async fn raise_above(tx: &PlatformTx, row: &Model, has: i64) -> Result<(), DbError> {
    const RAISE: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE flag_push SET version = $4 + 1, updated_at = $5, attempts = 0, next_attempt_at = NULL \
         WHERE tenant_id = $1 AND module_id = $2 AND version = $3",
    );
    let mut values = in_version(row);
    values.extend([row.version.max(has).into(), tx.now().into()]);
    tx.execute(&RAISE, values).await.map(drop)
}

/// Records that the module says that it has this version, which is the current one.
pub(crate) async fn confirm_reported(tx: &PlatformTx, row: &Model) -> Result<(), DbError> {
    const CONFIRM: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE flag_push SET confirmed_version = $3, confirmed_at = $4, last_error = NULL \
         WHERE tenant_id = $1 AND module_id = $2 AND version = $3 AND confirmed_version < $3",
    );
    let mut values = in_version(row);
    values.push(tx.now().into());
    tx.execute(&CONFIRM, values).await.map(drop)
}

/// Records that the module took this version, whether or not there is a later one by now.
pub(crate) async fn confirm_pushed(tx: &PlatformTx, row: &Model) -> Result<(), DbError> {
    const CONFIRM: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE flag_push SET confirmed_version = $3, confirmed_at = $4, attempts = 0, \
         next_attempt_at = NULL, last_error = NULL \
         WHERE tenant_id = $1 AND module_id = $2 AND confirmed_version < $3",
    );
    let mut values = in_version(row);
    values.push(tx.now().into());
    tx.execute(&CONFIRM, values).await.map(drop)
}

/// Records that the module didn't take this version, and when it is tried again.
pub(crate) async fn record_failure(
    tx: &PlatformTx,
    row: &Model,
    again_at: Timestamp,
    why: String,
) -> Result<(), DbError> {
    const RECORD: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE flag_push SET attempts = attempts + 1, updated_at = $4, next_attempt_at = $5, last_error = $6 \
         WHERE tenant_id = $1 AND module_id = $2 AND version = $3",
    );
    let mut values = in_version(row);
    values.extend([tx.now().into(), again_at.into(), why.into()]);
    tx.execute(&RECORD, values).await.map(drop)
}
