//! The proof that nothing of a tenant stays behind.

use entity::scope::OWNED_BY_TENANT;
use entity::tenancy::tenant;
use platform::{Target, Tx, Work};
use serde_json::{Map, json};
use tenancy::{TenantDeleted, Verb};

use super::{Attempt, Learnt, NEVER_GIVEN_UP, Realm, Step, directory};
use crate::deployments;
use crate::desired_state::desired_state;
use crate::model::StepError;
use crate::store;

pub(super) const PROVE: Step = Step {
    name: "finish",
    does: "removes what was added after the step `directory`, proves that nothing is left, here or outside, and deletes the owner's data",
    waits_for: None,
    away: Some(|attempt, tenant| Box::pin(require_absent(attempt, tenant))),
    commit: |_, tx, _| Box::pin(finish(tx)),
    undo: NEVER_GIVEN_UP,
};

/// No realm, no org, no resource group.
async fn require_absent(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let left = |why: &str| StepError::Transient { after: None, why: why.to_owned() };
    let backend = backends::backend(attempt.service, tenant.identity_backend)?;
    let found = backend.compare(&attempt.outside, &desired_state(tenant)).await?;
    let kind_of = |what: &str| matches!(what, "realm" | "org" | "organization" | "signing_key");
    let absent = found.iter().any(|difference| kind_of(&difference.what) && difference.found == "absent");
    if !absent && Realm::of(tenant).is_made() {
        return Err(left("the realm or org is still there"));
    }
    if deployments::is_there(attempt.service, tenant.id).await? {
        return Err(left("the deployment is still there"));
    }
    Ok(Learnt::default())
}

/// Counts what is left of the tenant in every table; the count is recorded as the proof.
async fn finish(tx: &mut Tx) -> Result<(), StepError> {
    // Locked first: what is being added at this moment is waited for, and whoever comes later finds a tenant that is deleted.
    tenancy::locked(tx).await?;
    directory::purge_late(tx).await?;
    let mut counted = Map::new();
    for table in OWNED_BY_TENANT {
        let count = store::count_rows(tx, table).await?.unwrap_or(-1);
        if count != 0 {
            return Err(StepError::Transient {
                after: None,
                why: format!("{count} rows are left in {table}"),
            });
        }
        counted.insert(table.to_owned(), count.into());
    }
    let proof = json!({"rows": counted, "identity": "absent", "deployment": "absent"});
    tx.record("tenant.prove_absence", Target::new("tenant", tx.tenant()).with(proof));
    let mut row = tenancy::transition(tx, Verb::Delete).await?.row;
    // What says who somebody was goes too.
    row.owner_email = None;
    row.owner_name = None;
    tx.update(row.clone()).await?;
    tenancy::record_event::<TenantDeleted>(tx, &row, "tenant.delete");
    Ok(())
}
