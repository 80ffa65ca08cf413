//! Queries over deliveries, and how far the sink has come.

use entity::webhooks::delivery;
use entity::webhooks::states::DeliveryStatus;
use platform::retention::SWEPT_AT_ONCE;
use platform::{CrossTenantStatement, DbError, PlatformTx, PlatformView, Timestamp};
use sea_orm::FromQueryResult as _;
use uuid::Uuid;

/// What is due at an endpoint, in order, at most so many. One alone is a probe: then what was tried least comes first, or a delivery that
/// is never taken would keep the rest from being sent.
pub(crate) async fn due(
    view: &PlatformView,
    endpoint: Uuid,
    limit: i64,
) -> Result<Vec<delivery::Model>, DbError> {
    // A tenant one of whose deliveries waits for its next attempt waits as a whole, unless only a newer replica can read that one; a tenant
    // that is suspended is told only of that.
    const DUE: CrossTenantStatement = CrossTenantStatement::new(
        "SELECT due.* FROM webhook_delivery AS due LEFT JOIN tenant ON tenant.id = due.tenant_id \
         WHERE due.endpoint_id = $1 AND due.status = 'pending' AND due.next_attempt_at <= $2 \
         AND COALESCE(due.tenant_id, $3) NOT IN (SELECT COALESCE(tenant_id, $3) FROM webhook_delivery \
             WHERE endpoint_id = $1 AND status = 'pending' AND next_attempt_at > $2 \
             AND NOT unreadable) \
         AND (tenant.status IS NULL OR tenant.status <> 'suspended' OR due.type LIKE 'tenant.%' \
             OR due.type LIKE 'billing.%' OR due.type LIKE 'session.%') \
         ORDER BY CASE WHEN $4 = 1 THEN due.attempts ELSE 0 END, due.sequence LIMIT $4",
    );
    let values = vec![endpoint.into(), view.now().into(), Uuid::nil().into(), limit.into()];
    let rows = view.query(&DUE, values).await?;
    let rows = rows.iter().map(|row| delivery::Model::from_query_result(row, ""));
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Which deliveries begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// All that are over.
    Over,
    /// Those without an attempt left.
    Dead,
}

/// Deliveries of these events at an endpoint begin anew.
pub(crate) async fn begin_again(
    tx: &PlatformTx,
    endpoint: Uuid,
    which: Again,
    events: &[Uuid],
) -> Result<u64, DbError> {
    let (test, list) = tx.id_list(events, "$3");
    let which = match which {
        Again::Over => "<> 'pending'",
        Again::Dead => "= 'dead'",
    };
    let sql = format!(
        "UPDATE webhook_delivery SET status = 'pending', attempts = 0, next_attempt_at = $1, delivered_at = NULL \
         WHERE endpoint_id = $2 AND status {which} AND event_id {test}"
    );
    tx.execute(&CrossTenantStatement::built(sql), vec![tx.now().into(), endpoint.into(), list]).await
}

/// Records that the receiver took these deliveries, with this status of HTTP.
pub(crate) async fn record_delivered(tx: &PlatformTx, status: u16, ids: &[Uuid]) -> Result<u64, DbError> {
    let (test, list) = tx.id_list(ids, "$3");
    let sql = format!(
        "UPDATE webhook_delivery SET status = 'delivered', attempts = attempts + 1, response_status = $1, \
         last_error = NULL, unreadable = FALSE, delivered_at = $2 WHERE id {test}"
    );
    let values = vec![i64::from(status).into(), tx.now().into(), list];
    tx.execute(&CrossTenantStatement::built(sql), values).await
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedAttempt<'a> {
    pub(crate) delivery: Uuid,
    /// What becomes of the delivery.
    pub(crate) status: DeliveryStatus,
    /// When it is tried again, if it is.
    pub(crate) next_attempt_at: Timestamp,
    pub(crate) response_status: Option<u16>,
    pub(crate) why: &'a str,
    /// Whether this version can't read the event.
    pub(crate) unreadable: bool,
}

/// Records an attempt that failed, at a delivery that is still pending.
pub(crate) async fn record_failed(tx: &PlatformTx, attempt: FailedAttempt<'_>) -> Result<u64, DbError> {
    const RECORD: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE webhook_delivery SET status = $2, attempts = attempts + 1, next_attempt_at = $3, \
         response_status = $4, last_error = $5, unreadable = $6 WHERE id = $1 AND status = 'pending'",
    );
    let FailedAttempt { delivery, status, next_attempt_at, response_status, why, unreadable } = attempt;
    let response_status = response_status.map(i64::from);
    let values = vec![
        delivery.into(),
        status.into(),
        next_attempt_at.into(),
        response_status.into(),
        why.into(),
        unreadable.into(),
    ];
    tx.execute(&RECORD, values).await
}

/// Gives up what waited at a disabled endpoint for longer than its event is kept, a bounded number at a time.
pub(crate) async fn give_up_without_event(tx: &PlatformTx) -> Result<u64, DbError> {
    const GIVE_UP: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE webhook_delivery SET status = 'dead', last_error = 'the event is no longer kept' \
         WHERE id IN (SELECT id FROM webhook_delivery AS waiting WHERE status = 'pending' AND NOT EXISTS \
         (SELECT 1 FROM outbox_event WHERE outbox_event.id = waiting.event_id) LIMIT $1)",
    );
    tx.execute(&GIVE_UP, vec![SWEPT_AT_ONCE.cast_signed().into()]).await
}

/// Records up to which event NATS has taken all.
pub(crate) async fn record_sunk(tx: &PlatformTx, sequence: i64) -> Result<u64, DbError> {
    const RECORD: CrossTenantStatement = CrossTenantStatement::new(
        "INSERT INTO event_sink (name, sequence) VALUES ('nats', $1) \
         ON CONFLICT (name) DO UPDATE SET sequence = $1",
    );
    tx.execute(&RECORD, vec![sequence.into()]).await
}
