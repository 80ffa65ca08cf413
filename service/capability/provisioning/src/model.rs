//! A run as a table of steps, and what comes next. Pure.

use std::time::Duration;

pub use entity::provisioning::states::RunKind as Kind;
use entity::provisioning::states::{RunStatus, StepStatus};
use entity::provisioning::{run, step};
use platform::http::Failure;

/// Who throttles and doesn't say for how long is left alone for this.
const THROTTLED: Duration = Duration::from_secs(5);

/// Why a step isn't done.
#[derive(Debug)]
pub(crate) enum StepError {
    /// Something is waited for; attempts don't grow.
    Pending { after: Duration, why: String },
    /// Trying again may help.
    Transient { after: Option<Duration>, why: String },
    /// Trying again can't help.
    Permanent { why: String },
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        if failure.permanent {
            StepError::Permanent { why: failure.reason }
        } else if failure.throttled {
            StepError::Pending { after: failure.after.unwrap_or(THROTTLED), why: failure.reason }
        } else {
            StepError::Transient { after: failure.after, why: failure.reason }
        }
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Do this step.
    Do(i64),
    /// Undo this step.
    Undo(i64),
    /// All steps are done.
    Done,
    /// All that was done is undone.
    RolledBack,
    /// The run ended before.
    Nothing,
}

pub(crate) fn next(run: &run::Model, steps: &[step::Model]) -> Next {
    match run.status {
        RunStatus::Running => match steps.iter().find(|step| step.status != StepStatus::Done) {
            Some(step) => Next::Do(step.ordinal),
            None => Next::Done,
        },
        // What was begun may have had an effect, whether or not it was noted: it is undone as well.
        RunStatus::Compensating => match steps.iter().rev().find(|step| is_begun(step.status)) {
            Some(step) => Next::Undo(step.ordinal),
            None => Next::RolledBack,
        },
        RunStatus::Done | RunStatus::Failed | RunStatus::Cancelled => Next::Nothing,
    }
}

/// Whether something of a step may be there.
fn is_begun(status: StepStatus) -> bool {
    match status {
        StepStatus::Running | StepStatus::Done | StepStatus::Failed => true,
        StepStatus::Pending | StepStatus::Compensated => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn world(run: &str, steps: &[&str]) -> (run::Model, Vec<step::Model>) {
        let at = DateTime::UNIX_EPOCH;
        let run = run::Model {
            tenant_id: Uuid::nil(),
            id: Uuid::nil(),
            kind: Kind::Provision,
            status: RunStatus::parse(run).unwrap(),
            parameters: Value::Null,
            created_at: at,
            finished_at: None,
        };
        let step = |(ordinal, status): (i64, &&str)| step::Model {
            tenant_id: Uuid::nil(),
            run_id: Uuid::nil(),
            ordinal,
            name: ordinal.to_string(),
            status: StepStatus::parse(status).unwrap(),
            attempts: 0,
            started_at: None,
            finished_at: None,
            error: None,
            waits_for: None,
            calls: json!([]),
        };
        (run, (0..).zip(steps).map(step).collect())
    }

    #[test]
    fn a_run_goes_forward_or_back_and_ends() {
        for (run, steps, expected) in [
            ("running", vec!["pending", "pending"], Next::Do(0)),
            ("running", vec!["done", "running"], Next::Do(1)),
            ("running", vec!["done", "failed", "pending"], Next::Do(1)),
            ("running", vec!["done", "done"], Next::Done),
            ("compensating", vec!["done", "failed", "pending"], Next::Undo(1)),
            ("compensating", vec!["done", "compensated", "pending"], Next::Undo(0)),
            ("compensating", vec!["compensated", "compensated", "pending"], Next::RolledBack),
            ("done", vec!["done"], Next::Nothing),
            ("failed", vec!["compensated"], Next::Nothing),
            ("cancelled", vec!["done", "running"], Next::Nothing),
        ] {
            let (run, steps) = world(run, &steps);
            assert_eq!(next(&run, &steps), expected);
        }
    }

    #[test]
    fn a_failure_says_whether_and_when_to_try_again() {
        let seconds = Duration::from_secs;
        for (permanent, throttled, after, expected) in [
            (true, false, None, "permanent".to_owned()),
            (true, true, Some(seconds(1)), "permanent".to_owned()),
            (false, true, Some(seconds(9)), "pending 9s".to_owned()),
            (false, true, None, "pending 5s".to_owned()),
            (false, false, Some(seconds(9)), "transient Some(9s)".to_owned()),
            (false, false, None, "transient None".to_owned()),
        ] {
            let failure = Failure { reason: "r".to_owned(), permanent, after, throttled };
            let (found, why) = match StepError::from(failure) {
                StepError::Permanent { why } => ("permanent".to_owned(), why),
                StepError::Pending { after, why } => (format!("pending {after:?}"), why),
                StepError::Transient { after, why } => (format!("transient {after:?}"), why),
            };
            assert_eq!((found, why), (expected, "r".to_owned()));
        }
    }
}
