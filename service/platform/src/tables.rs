//! How long the rows of the platform's own tables stay; a capability says it of its own tables in its `capability.rs`.

use chrono::TimeDelta;

use crate::retention::{End, Expiry, Retained, SWEPT_AT_ONCE};
use crate::{CrossTenantStatement, DbError, PlatformTx};

/// Finished jobs are kept this long, for operators to look at.
const DONE_RETENTION: TimeDelta = TimeDelta::days(7);
/// Dead jobs are kept this long, so that somebody finds and retries them.
const DEAD_RETENTION: TimeDelta = TimeDelta::days(90);
/// And no more of them than this: a kind that always fails must not fill the store.
const DEAD_MAX: i64 = 100_000;
/// Dispatched events are kept this long, for those who read `/api/v1/events`.
const EVENTS_RETENTION: TimeDelta = TimeDelta::days(30);
/// How long an allowance is remembered after the first thing was spent of it: longer than any period.
const ALLOWANCES_RETENTION: TimeDelta = TimeDelta::days(7);

/// The sweep of dead jobs beyond their number: [`remove_dead_beyond`].
pub const DEAD_BEYOND: &str = "the sweep of dead jobs";

/// The platform's tables.
pub fn retained() -> [Retained; 8] {
    let finished = Expiry::at("finished_at", "id");
    [
        Retained::until("job", finished.only("status = 'done'").plus(DONE_RETENTION))
            .or(End::Expiry(finished.only("status = 'dead'").plus(DEAD_RETENTION)))
            .or(End::Sweep(DEAD_BEYOND)),
        Retained::until("outbox_event", Expiry::at("dispatched_at", "id").plus(EVENTS_RETENTION)),
        Retained::until("idempotency_record", Expiry::at("expires_at", "principal, idempotency_key")),
        Retained::until(
            "allowance",
            Expiry::at("began_at", "tenant_id, rule, key").plus(ALLOWANCES_RETENTION),
        ),
        Retained::forever("outbox_state"),
        Retained::forever("store_state"),
        Retained::forever("lookup_key"),
        Retained::forever("seaql_migrations"),
    ]
}

/// Removes some of the dead jobs beyond their number, the oldest first.
pub async fn remove_dead_beyond(tx: &PlatformTx) -> Result<u64, DbError> {
    const REMOVE: CrossTenantStatement = CrossTenantStatement::new(
        "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE status = 'dead' \
         ORDER BY finished_at DESC, id DESC LIMIT $1 OFFSET $2)",
    );
    tx.execute(&REMOVE, vec![SWEPT_AT_ONCE.cast_signed().into(), DEAD_MAX.into()]).await
}
