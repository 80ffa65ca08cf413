//! The tenant's beginning.

use platform::Tx;
use tenancy::{TenantActivated, TenantFailed, Verb};

use super::{Step, Undo};
use crate::error::Error;
use crate::model::StepError;

pub(super) const STEP: Step = Step {
    name: "activate",
    does: "activates the tenant",
    waits_for: None,
    away: None,
    commit: |_, tx, _| Box::pin(activate(tx)),
    undo: Undo::Nothing("it is the last step: the run ends with it"),
};

async fn activate(tx: &mut Tx) -> Result<(), StepError> {
    let row = tenancy::transition(tx, Verb::Activate).await?.row;
    tenancy::record_event::<TenantActivated>(tx, &row, "tenant.activate");
    Ok(())
}

pub(super) async fn failed(tx: &mut Tx) -> Result<(), Error> {
    let row = tenancy::transition(tx, Verb::Fail).await?.row;
    tenancy::record_event::<TenantFailed>(tx, &row, "tenant.fail");
    Ok(())
}
