//! Everything that a tenant owns.

use entity::scope::OWNED_BY_TENANT;
use entity::tenancy::tenant;
use platform::{Ctx, PlatformTx, Target, Tx, Work};
use serde_json::{Map, Value};

use super::{Attempt, Learnt, NEVER_GIVEN_UP, Step};
use crate::model::StepError;
use crate::store;

pub(super) const REMOVE: Step = Step {
    name: "directory",
    does: "removes the management keys, and everything that the tenant owns",
    waits_for: None,
    // Management keys belong to the platform: they go in a transaction of their own.
    away: Some(|attempt, tenant| Box::pin(remove_keys(attempt, tenant))),
    commit: |_, tx, _| Box::pin(purge(tx)),
    undo: NEVER_GIVEN_UP,
};

async fn remove_keys(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let work = async |tx: &mut PlatformTx| keys::remove_of_tenant(tx, tenant.id).await;
    attempt.service.db.write_platform(&Ctx::system("provisioning"), work).await?;
    Ok(Learnt::default())
}

/// Removes all but the quotas, which have a step of their own.
pub(super) async fn purge(tx: &mut Tx) -> Result<(), StepError> {
    scim::remove_all(tx).await?;
    let removed = remove_rows(tx, |table| !is_of_quotas(table)).await?;
    record(tx, removed);
    Ok(())
}

/// Removes what was added after the step, e.g. by a request that was under way, or by a module that is registered meanwhile.
pub(super) async fn purge_late(tx: &mut Tx) -> Result<(), StepError> {
    scim::remove_all(tx).await?;
    let removed = remove_rows(tx, |_| true).await?;
    if !removed.is_empty() {
        record(tx, removed);
    }
    Ok(())
}

pub(super) fn is_of_quotas(table: &str) -> bool {
    table.starts_with("quota")
}

/// Removes the rows of these tables, and says how many each had.
pub(super) async fn remove_rows(tx: &Tx, of: impl Fn(&str) -> bool) -> Result<Map<String, Value>, StepError> {
    let mut removed = Map::new();
    for table in OWNED_BY_TENANT.into_iter().filter(|table| of(table)) {
        let rows = store::remove_rows(tx, table).await?;
        if rows > 0 {
            removed.insert(table.to_owned(), rows.into());
        }
    }
    Ok(removed)
}

fn record(tx: &mut Tx, removed: Map<String, Value>) {
    tx.record("directory.delete", Target::new("tenant", tx.tenant()).with(Value::Object(removed)));
}
