//! Time for the modules to finish what they do for the tenant.

use chrono::TimeDelta;

use crate::model::StepError;
use crate::settings::Settings;
use crate::steps::{Attempt, Learnt, NOTHING, Step, Undo};

pub(in crate::steps) const STEP: Step = Step {
    name: "drain",
    does: "waits `provisioning.drain_period` after the event `tenant.moving`",
    waits_for: Some("the modules to finish what they do for the tenant"),
    away: Some(|attempt, _| Box::pin(async move { is_over(attempt) })),
    commit: NOTHING,
    undo: Undo::Nothing("nothing was done"),
};

fn is_over(attempt: &Attempt<'_>) -> Result<Learnt, StepError> {
    let period =
        TimeDelta::from_std(attempt.service.config.section::<Settings>().drain_period).unwrap_or_default();
    // From when they were told: the step before told them.
    let since = attempt.row.started_at.unwrap_or(attempt.outside.now());
    let left = since + period - attempt.outside.now();
    match left.to_std() {
        Ok(left) if !left.is_zero() => {
            Err(StepError::Pending { after: left, why: "modules to finish their work".to_owned() })
        }
        _ => Ok(Learnt::default()),
    }
}
