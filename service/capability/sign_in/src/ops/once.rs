//! What a provider says is taken once: an assertion, a logout message.

use entity::sign_in::assertion_use;
use platform::crypto::{hex, sha256};
use platform::{DbError, Timestamp, Tx};
use uuid::Uuid;

/// Takes something once: of many at a time, on whichever replica, one succeeds.
pub async fn take_once(tx: &Tx, connection: Uuid, name: &str, until: Timestamp) -> Result<bool, DbError> {
    // What a provider calls things may be long; its digest isn't.
    let assertion_id = if name.len() <= 255 { name.to_owned() } else { hex(&sha256(name.as_bytes())) };
    let row = assertion_use::Model {
        tenant_id: tx.tenant(),
        connection_id: connection,
        assertion_id,
        expires_at: until,
    };
    tx.insert_unless_there(row).await
}
