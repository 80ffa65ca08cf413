//! Queries over management keys.

use platform::{CrossTenantStatement, DbError, PlatformTx};
use uuid::Uuid;

/// Records that a key was used now, and the HMAC that a key from before lacks.
pub(crate) async fn record_use(tx: &PlatformTx, id: Uuid, mac: Option<Vec<u8>>) -> Result<(), DbError> {
    const RECORD: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE management_key SET last_used_at = $2, secret_mac = COALESCE(secret_mac, $3) WHERE id = $1",
    );
    tx.execute(&RECORD, vec![id.into(), tx.now().into(), mac.into()]).await.map(drop)
}
