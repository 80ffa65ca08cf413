//! The moment from which the tenant is somewhere else.

use platform::{Target, Tx, Work};
use tenancy::TenantMoved;

use super::End;
use crate::error::Error;
use crate::model::StepError;
use crate::steps::{Attempt, Step, Undo};

pub(in crate::steps) const STEP: Step = Step {
    name: "switch",
    does: "switches the tenant to the new place (`tenant.moved`), and has its flags pushed",
    waits_for: None,
    away: None,
    commit: |attempt, tx, _| Box::pin(switch(attempt, tx)),
    undo: Undo::Here(|attempt, tx| Box::pin(switch_back(attempt, tx))),
};

async fn switch(attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    switch_realm(attempt, tx, End::To).await?;
    if let Some((place, to)) = attempt.target(&tenant)? {
        tenancy::store_place(tx, place).await?;
        tx.record("tenant.switch", Target::new("instance", to));
    }
    let row = tenancy::get(tx).await?;
    tenancy::record_event::<TenantMoved>(tx, &row, "tenant.move");
    flags::refresh_tenant(tx);
    Ok(())
}

async fn switch_back(attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    tx.record("tenant.switch_back", Target::new("tenant", tenant.id));
    switch_realm(attempt, tx, End::From).await?;
    if let Some((from, _)) = attempt.places(&tenant)? {
        tenancy::store_place(tx, from).await?;
    }
    flags::refresh_tenant(tx);
    Ok(())
}

/// The tenant is at this end of the move from now on.
async fn switch_realm(attempt: &Attempt<'_>, tx: &mut Tx, end: End) -> Result<(), Error> {
    let Some((from, to)) = attempt.realms() else { return Ok(()) };
    let realm = match end {
        End::From => from,
        End::To => to,
    };
    let row = realm.with(tenancy::locked(tx).await?);
    tenancy::put(tx, row).await?;
    Ok(())
}
