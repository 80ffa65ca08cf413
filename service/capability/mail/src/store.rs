//! Queries over mails, and addresses that get none.

use entity::mail::states::{MailStatus, SuppressionReason};
use platform::{CrossTenantStatement, DbError, PlatformTx, Statement, Tx};
use uuid::Uuid;

/// Records what became of a mail.
pub(crate) async fn record_outcome(
    tx: &Tx,
    id: Uuid,
    status: MailStatus,
    reason: Option<String>,
) -> Result<(), DbError> {
    const RECORD: Statement = Statement::of_tenant(
        "UPDATE mail_message SET status = $3, sent_at = $4, reason = $5 WHERE tenant_id = $1 AND id = $2",
    );
    tx.execute(&RECORD, vec![id.into(), status.into(), tx.now().into(), reason.into()]).await.map(drop)
}

/// Stores that an address, folded, gets no mail; one that is there already stays as it is.
pub(crate) async fn suppress(
    tx: &PlatformTx,
    address_key: &str,
    reason: SuppressionReason,
    detail: Option<String>,
) -> Result<(), DbError> {
    const SUPPRESS: CrossTenantStatement = CrossTenantStatement::new(
        "INSERT INTO mail_suppression (address_key, reason, detail, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (address_key) DO NOTHING",
    );
    let values = vec![address_key.into(), reason.into(), detail.into(), tx.now().into()];
    tx.execute(&SUPPRESS, values).await.map(drop)
}
