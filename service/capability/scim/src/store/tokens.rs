//! Queries over tokens and clients.

use platform::{DbError, Statement, Tx, View};
use sea_orm::QueryResult;
use uuid::Uuid;

/// A token or client with its dry run, and with what its tenant may do at the moment.
pub(crate) async fn with_tenant(view: &View, id: Uuid) -> Result<Option<QueryResult>, DbError> {
    const FIND: Statement = Statement::of_tenant(
        "SELECT t.organization_id, t.kind, t.secret_hash, t.secret_mac, t.expires_at, t.revoked_at, t.last_used_at, t.profile, \
         t.allowed_addresses, t.rehearsal, r.shadow_id, r.status AS rehearsal_status, n.status, p.rate_multiplier \
         FROM scim_token t JOIN tenant n ON n.id = t.tenant_id JOIN plan p ON p.key = n.plan \
         LEFT JOIN scim_rehearsal r ON r.tenant_id = t.tenant_id AND r.organization_id = t.organization_id AND r.token_id = t.id \
         WHERE t.tenant_id = $1 AND t.id = $2",
    );
    Ok(view.query(&FIND, vec![id.into()]).await?.into_iter().next())
}

/// Records that a token was used now, and the HMAC that a token from before lacks.
pub(crate) async fn record_use(tx: &Tx, id: Uuid, mac: Option<Vec<u8>>) -> Result<(), DbError> {
    const RECORD: Statement = Statement::of_tenant(
        "UPDATE scim_token SET last_used_at = $3, secret_mac = COALESCE(secret_mac, $4) \
         WHERE tenant_id = $1 AND id = $2",
    );
    tx.execute(&RECORD, vec![id.into(), tx.now().into(), mac.into()]).await.map(drop)
}

/// Stores the HMAC that a client from before lacks.
pub(crate) async fn set_mac(tx: &Tx, id: Uuid, mac: Vec<u8>) -> Result<(), DbError> {
    const SET: Statement =
        Statement::of_tenant("UPDATE scim_token SET secret_mac = $3 WHERE tenant_id = $1 AND id = $2");
    tx.execute(&SET, vec![id.into(), mac.into()]).await.map(drop)
}
