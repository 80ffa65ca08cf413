//! Queries over batches of invitations.

use platform::retention::{Expiry, SWEPT_AT_ONCE};
use platform::{CrossTenantStatement, DbError, PlatformTx, Timestamp};

/// Removes some of the lines of batches that were done before this moment.
pub(crate) async fn remove_batch_rows(tx: &PlatformTx, before: Timestamp) -> Result<u64, DbError> {
    let remove = CrossTenantStatement::built(format!(
        "DELETE FROM invitation_batch_row WHERE (tenant_id, batch_id, number) IN \
         (SELECT line.tenant_id, line.batch_id, line.number FROM invitation_batch_row line \
         JOIN invitation_batch batch ON batch.tenant_id = line.tenant_id AND batch.id = line.batch_id \
         WHERE batch.status = 'done' AND batch.finished_at < $1 LIMIT {SWEPT_AT_ONCE})"
    ));
    tx.execute(&remove, vec![before.into()]).await
}

/// Removes some of the batches that were done before this moment and have no lines any more.
pub(crate) async fn remove_empty_batches(tx: &PlatformTx, before: Timestamp) -> Result<u64, DbError> {
    let empty = Expiry::at("finished_at", "tenant_id, id").only(
        "status = 'done' AND NOT EXISTS (SELECT 1 FROM invitation_batch_row line \
         WHERE line.tenant_id = invitation_batch.tenant_id AND line.batch_id = invitation_batch.id)",
    );
    empty.remove_before(tx, "invitation_batch", before).await
}
