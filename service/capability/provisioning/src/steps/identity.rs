//! A tenant's realm or org: made, learnt, removed.

use entity::tenancy::tenant;
use platform::{Target, Tx, Work};

use super::{Attempt, Learnt, NEVER_GIVEN_UP, Step, Undo};
use crate::desired_state::desired_state;
use crate::model::StepError;
use crate::store;

pub(super) const MAKE: Step = Step {
    name: "identity",
    does: "creates the realm or org at the identity backend, and reads its issuer",
    waits_for: None,
    away: Some(|attempt, tenant| Box::pin(ensure(attempt, tenant))),
    commit: |_, tx, learnt| Box::pin(store_made(tx, learnt)),
    undo: Undo::Both(
        |attempt, tenant| Box::pin(remove(attempt, tenant)),
        |_, tx| Box::pin(forget_learnt(tx)),
    ),
};

pub(super) const REPAIR: Step = Step { undo: Undo::Nothing("what was repaired is retained"), ..MAKE };

pub(super) const REMOVE: Step = Step {
    name: "identity",
    does: "removes the realm or org, and the issuer that only it used",
    waits_for: None,
    away: Some(|attempt, tenant| Box::pin(remove(attempt, tenant))),
    commit: |_, tx, _| Box::pin(forget_learnt(tx)),
    undo: NEVER_GIVEN_UP,
};

async fn ensure(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let backend = backends::backend(attempt.service, tenant.identity_backend)?;
    let made = backend.ensure(&attempt.outside, &desired_state(tenant)).await?;
    Ok(Learnt { identity: Some(made), ..Learnt::default() })
}

/// Stores what the backend made: its id there, and how its tokens name the tenant.
async fn store_made(tx: &mut Tx, learnt: &Learnt) -> Result<(), StepError> {
    let Some(made) = &learnt.identity else { return Ok(()) };
    // Locked: somebody may suspend or rename it at this moment.
    let before = tenancy::locked(tx).await?;
    let mut row = before.clone();
    row.identity_external_id = made.external_id.clone().or(row.identity_external_id);
    if let Some(issuer) = &made.issuer {
        row.identity_issuer = issuer.own().or(row.identity_issuer);
        register(tx, issuer).await?;
    }
    let target = Target::new("tenant", row.id).with(serde_json::json!({"backend": row.identity_backend}));
    if row != before {
        tenancy::put(tx, row).await?;
    }
    tx.record("tenant.identity", target);
    Ok(())
}

async fn remove(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let backend = backends::backend(attempt.service, tenant.identity_backend)?;
    backend.remove(&attempt.outside, &desired_state(tenant)).await?;
    Ok(Learnt::default())
}

/// Forgets what was learnt; an issuer that only this tenant had goes too.
async fn forget_learnt(tx: &mut Tx) -> Result<(), StepError> {
    let mut row = tenancy::locked(tx).await?;
    if let Some(issuer) = row.identity_issuer.take() {
        forget(tx, &issuer).await?;
    }
    tx.record("tenant.identity_remove", Target::new("tenant", row.id));
    tenancy::put(tx, row).await?;
    Ok(())
}

/// Forgets an issuer that only this tenant had.
pub(crate) async fn forget(tx: &Tx, issuer: &str) -> Result<(), StepError> {
    Ok(store::forget_issuer(tx, issuer).await?)
}

/// Registers an issuer, unless it is.
pub(super) async fn register(tx: &Tx, issuer: &backends::Issuer) -> Result<(), StepError> {
    Ok(store::register_issuer(tx, issuer).await?)
}
