//! What the tenant had where it was.

use platform::{Tx, Work};

use super::reserve::{Mark, marked};
use crate::model::StepError;
use crate::retire::{Retire, RetireRealm};
use crate::steps::{Attempt, Step, Undo};
use crate::store;

/// What the run has of it being done.
const RELEASED: &str = "released";

pub(in crate::steps) const STEP: Step = Step {
    name: "release",
    does: "frees the old place; what only the tenant used there is removed by a separate job",
    waits_for: None,
    away: None,
    commit: |attempt, tx, _| Box::pin(release(attempt, tx)),
    undo: Undo::Nothing("it is the last step: the run ends with it"),
};

/// Last, with the record that ends the run, so that the old place is there to go back to: from here on there is no way back.
async fn release(attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    let Some(run) = marked(attempt, tx, RELEASED, Mark::Set).await? else { return Ok(()) };
    tx.update(run).await?;
    if let Some((realm, _)) = attempt.realms().filter(|(from, _)| from.is_made()) {
        tx.enqueue(&RetireRealm { tenant: tenant.id, realm });
    }
    let Some((from, _)) = attempt.places(&tenant)? else { return Ok(()) };
    let Some(id) = from.instance else { return Ok(()) };
    tenancy::give_place(tx, id).await?;
    if from.is_own() {
        // Nobody else is placed there while it goes.
        store::close_instance(tx, id).await?;
        tx.enqueue(&Retire { tenant: tenant.id, deployment: id });
    } else {
        tx.emit(&tenancy::InstanceAvailable { instance_id: id });
    }
    Ok(())
}
