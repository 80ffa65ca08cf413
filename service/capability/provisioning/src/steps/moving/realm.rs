//! The realm or org where the tenant goes, made beside the one where it is.

use entity::tenancy::tenant;
use platform::{Target, Tx, Work};
use serde_json::json;
use tenancy::TenantMoving;

use super::End;
use crate::desired_state::desired_state;
use crate::model::StepError;
use crate::steps::identity::{forget, register};
use crate::steps::{Attempt, Learnt, Step, Undo, store};

pub(in crate::steps) const STEP: Step = Step {
    name: "realm",
    does: "creates the realm or org to which the tenant moves, and announces the move (`tenant.moving`)",
    waits_for: None,
    away: Some(|attempt, tenant| Box::pin(ensure(attempt, tenant))),
    commit: |attempt, tx, learnt| Box::pin(announce(attempt, tx, learnt)),
    undo: Undo::Both(
        |attempt, tenant| Box::pin(remove(attempt, tenant)),
        |attempt, tx| Box::pin(forget_learnt(attempt, tx)),
    ),
};

async fn ensure(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let Some((_, to)) = attempt.realms() else { return Ok(Learnt::default()) };
    let state = backends::DesiredState { is_begun: true, ..desired_state(&to.with(tenant.clone())) };
    let made = backends::backend(attempt.service, to.backend)?.ensure(&attempt.outside, &state).await?;
    Ok(Learnt { identity: Some(made), ..Learnt::default() })
}

async fn announce(attempt: &Attempt<'_>, tx: &mut Tx, learnt: &Learnt) -> Result<(), StepError> {
    store_made(attempt, tx, learnt).await?;
    let tenant = tenancy::get(tx).await?;
    tenancy::record_event::<TenantMoving>(tx, &tenant, "tenant.moving");
    Ok(())
}

/// Stores in the run what was made; the tenant is switched to it later.
async fn store_made(attempt: &Attempt<'_>, tx: &mut Tx, learnt: &Learnt) -> Result<(), StepError> {
    let (Some((_, mut to)), Some(made)) = (attempt.realms(), &learnt.identity) else { return Ok(()) };
    to.external_id = made.external_id.clone().or(to.external_id);
    if let Some(issuer) = &made.issuer {
        to.issuer = issuer.own();
        register(tx, issuer).await?;
    }
    let Some(mut run) = attempt.locked_run(tx).await? else { return Ok(()) };
    store(&mut run, End::To.realm(), &to);
    tx.update(run).await?;
    tx.record("tenant.identity", Target::new("tenant", tx.tenant()).with(json!({"backend": to.backend})));
    Ok(())
}

async fn remove(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    if let Some((_, to)) = attempt.realms().filter(|(_, to)| to.is_made()) {
        let backend = backends::backend(attempt.service, to.backend)?;
        backend.remove(&attempt.outside, &desired_state(&to.with(tenant.clone()))).await?;
    }
    Ok(Learnt::default())
}

async fn forget_learnt(attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
    let Some((_, to)) = attempt.realms() else { return Ok(()) };
    if let Some(issuer) = &to.issuer {
        forget(tx, issuer).await?;
    }
    tx.record("tenant.identity_remove", Target::new("tenant", tx.tenant()));
    Ok(())
}
