//! Events in one order, deliveries as queues.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000007_events.sql")).await?;
        postgres::platform_only(
            manager,
            &["outbox_state", "event_sink", "webhook_delivery", "webhook_attempt"],
        )
        .await?;
        let copies = [
            "UPDATE outbox_event SET sequence = told.place FROM \
             (SELECT id, row_number() OVER (ORDER BY id) AS place FROM outbox_event WHERE dispatched_at IS NOT NULL) AS told \
             WHERE told.id = outbox_event.id",
            "INSERT INTO outbox_state (id, last_sequence) SELECT 1, COALESCE(max(sequence), 0) FROM outbox_event",
            "INSERT INTO webhook_delivery (id, endpoint_id, event_id, tenant_id, type, sequence, status, attempts, \
             next_attempt_at, response_status, last_error, created_at, delivered_at) \
             SELECT old.id, old.endpoint_id, old.event_id, old.tenant_id, event.type, event.sequence, old.status, old.attempts, \
             old.created_at, old.response_status, old.last_error, old.created_at, old.delivered_at \
             FROM webhook_delivery_before AS old JOIN outbox_event AS event ON event.id = old.event_id \
             WHERE event.sequence IS NOT NULL",
        ];
        postgres::as_platform(manager, &copies.map(ToOwned::to_owned)).await?;
        run(manager, "DROP TABLE webhook_delivery_before;").await
    }
}
