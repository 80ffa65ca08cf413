//! Queries over events that came in.

use entity::inbox::event::Model;
use entity::inbox::source::Source;
use platform::{CrossTenantStatement, DbError, PlatformTx, Timestamp};
use serde_json::Value;

/// An event that was verified.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) source: Source,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) payload: Value,
}

/// Stores an event, unless it is there; tells whether it was new.
pub(crate) async fn insert(tx: &PlatformTx, event: &Incoming) -> Result<bool, DbError> {
    const INSERT: CrossTenantStatement = CrossTenantStatement::new(
        "INSERT INTO inbox_event (source, id, type, payload, occurred_at, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    );
    let values = vec![
        event.source.into(),
        event.id.clone().into(),
        event.kind.clone().into(),
        event.payload.clone().into(),
        event.occurred_at.into(),
        tx.now().into(),
    ];
    Ok(tx.execute(&INSERT, values).await? != 0)
}

/// Records what became of an event.
pub(crate) async fn record_outcome(tx: &PlatformTx, event: &Model, outcome: &str) -> Result<(), DbError> {
    const RECORD: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE inbox_event SET settled_at = $3, outcome = $4 WHERE source = $1 AND id = $2",
    );
    let values = vec![event.source.into(), event.id.clone().into(), tx.now().into(), outcome.into()];
    tx.execute(&RECORD, values).await.map(drop)
}
