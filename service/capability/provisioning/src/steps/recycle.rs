//! The time in which a deletion can be taken back.

use std::time::Duration;

use entity::tenancy::tenant;

use super::{Attempt, Learnt, NEVER_GIVEN_UP, NOTHING, Step};
use crate::model::StepError;

/// It is looked at this often.
const POLL_MAX: Duration = Duration::from_secs(3600);

pub(super) const WAIT: Step = Step {
    name: "recycle",
    does: "waits until the deletion can no longer be cancelled",
    waits_for: Some("the end of the recycle period"),
    away: Some(|attempt, tenant| Box::pin(async move { is_over(attempt, tenant) })),
    commit: NOTHING,
    undo: NEVER_GIVEN_UP,
};

fn is_over(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let left = tenant.recycle_until.map(|until| until - attempt.outside.now());
    match left.and_then(|left| left.to_std().ok()) {
        Some(left) if !left.is_zero() => Err(StepError::Pending {
            after: left.min(POLL_MAX),
            why: "the end of the recycle period; /resume takes the deletion back".to_owned(),
        }),
        _ => Ok(Learnt::default()),
    }
}
