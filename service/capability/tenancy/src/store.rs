//! Statements over the places of instances.

use platform::{DbError, PlatformStatement, Tx};
use uuid::Uuid;

/// An instance's count of tenants is the platform's: it says how many others are there.
const TAKE_PLACE: PlatformStatement = PlatformStatement::new(
    "UPDATE instance SET tenant_count = tenant_count + 1 \
     WHERE id = $1 AND tenant_count < capacity AND status = 'active'",
);
const GIVE_PLACE: PlatformStatement = PlatformStatement::new(
    "UPDATE instance SET tenant_count = tenant_count - 1 WHERE id = $1 AND tenant_count > 0",
);

/// Takes a place on an instance without moving there; false: there is no room.
pub async fn take_place(tx: &Tx, id: Uuid) -> Result<bool, DbError> {
    Ok(tx.as_platform(TAKE_PLACE, vec![id.into()]).await? == 1)
}

/// Gives a place on an instance back.
pub async fn give_place(tx: &Tx, id: Uuid) -> Result<(), DbError> {
    tx.as_platform(GIVE_PLACE, vec![id.into()]).await?;
    Ok(())
}
