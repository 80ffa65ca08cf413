//! The end of everybody's access, first of all.

use platform::{Target, Tx, Work};
use sessions::Ended;

use super::{NEVER_GIVEN_UP, Step};
use crate::model::StepError;

pub(super) const STEP: Step = Step {
    name: "suspend_access",
    does: "ends all sessions",
    waits_for: None,
    away: None,
    commit: |_, tx, _| Box::pin(end_sessions(tx)),
    undo: NEVER_GIVEN_UP,
};

async fn end_sessions(tx: &mut Tx) -> Result<(), StepError> {
    sessions::end_all_of_tenant(tx, Ended::TenantStopped).await?;
    tx.record("tenant.suspend_access", Target::new("tenant", tx.tenant()));
    Ok(())
}
