//! A run as a table of steps, and what comes next. Pure.

use std::time::Duration;

pub use entity::provisioning::states::RunKind as Kind;
use entity::provisioning::states::{RunStatus, StepStatus};
use entity::provisioning::{run, step};
use platform::DbError;
use platform::http::Failure;
use web::{Code, Problem};

/// Who throttles and doesn't say for how long is left alone for this.
const THROTTLED: Duration = Duration::from_secs(5);

/// What runs of a kind do.
pub trait Steps {
    /// Its steps, in order. A name, once released, stays: runs in the store refer to it.
    fn steps(self) -> &'static [&'static str];
}

impl Steps for Kind {
    fn steps(self) -> &'static [&'static str] {
        match self {
            Kind::Provision => &[
                "reserve_slug",
                "identity",
                "organization",
                "quotas",
                "instance",
                "flags",
                "invite_owner",
                "activate",
            ],
            Kind::Deprovision => &[
                "cut_off",
                "recycle",
                "invitations",
                "directory",
                "instance",
                "quotas",
                "identity",
                "finish",
            ],
            // Health before the switch: nobody is sent to an instance that isn't well.
            Kind::Move => &["reserve", "realm", "drain", "copy", "verify", "switch", "release"],
            Kind::Repair => &["identity", "quotas", "flags"],
        }
    }
}

/// Whether a run of this kind is given up when a step fails too often. What unmakes a tenant is tried until it is through.
pub(crate) fn gives_up(kind: Kind) -> bool {
    kind != Kind::Deprovision
}

/// Why a step is not through.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something is waited for; attempts don't grow.
    Wait { after: Duration, why: String },
    /// Trying again may help.
    Again { after: Option<Duration>, why: String },
    /// Trying again can't help.
    Never { why: String },
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        if failure.permanent {
            Stop::Never { why: failure.reason }
        } else if failure.throttled {
            Stop::Wait { after: failure.after.unwrap_or(THROTTLED), why: failure.reason }
        } else {
            Stop::Again { after: failure.after, why: failure.reason }
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        let why = match &problem.cause {
            Some(cause) => format!("{} ({cause})", problem.detail),
            None => problem.detail.clone(),
        };
        if problem.may_pass() { Stop::Again { after: None, why } } else { Stop::Never { why } }
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Problem::from(error).into()
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
    Unwound,
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
            None => Next::Unwound,
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
            ("compensating", vec!["compensated", "compensated", "pending"], Next::Unwound),
            ("done", vec!["done"], Next::Nothing),
            ("failed", vec!["compensated"], Next::Nothing),
            ("cancelled", vec!["done", "running"], Next::Nothing),
        ] {
            let (run, steps) = world(run, &steps);
            assert_eq!(next(&run, &steps), expected);
        }
    }
}
