//! The health of the instance where the tenant goes.

use entity::tenancy::tenant;

use crate::model::StepError;
use crate::steps::{Attempt, Learnt, NOTHING, Step, Undo};

pub(in crate::steps) const STEP: Step = Step {
    name: "verify",
    does: "asks the new instance whether it is healthy",
    waits_for: None,
    away: Some(|attempt, tenant| Box::pin(verify(attempt, tenant))),
    commit: NOTHING,
    undo: Undo::Nothing("nothing was done"),
};

async fn verify(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let Some((_, to)) = attempt.target(tenant)? else { return Ok(Learnt::default()) };
    let db = &attempt.service.db;
    let row = db.read(tenant.id, async |view| tenancy::instance(view, to).await).await?;
    if let Some(endpoint) = &row.endpoint {
        let asked = crate::health::ask(attempt.service, &attempt.outside, endpoint).await;
        asked.map_err(|why| StepError::Transient {
            after: None,
            why: format!("the new instance is not well: {why}"),
        })?;
    }
    Ok(Learnt::default())
}
