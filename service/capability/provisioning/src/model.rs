//! The run as a table of steps, and what comes next. Pure.

use entity::provisioning::{run, step};

/// A run's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Provision,
    Deprovision,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Provision => "provision",
            Kind::Deprovision => "deprovision",
        }
    }

    /// Its steps, in order. A name, once released, stays: runs in the store refer to it.
    pub(crate) fn steps(self) -> &'static [&'static str] {
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
            Kind::Deprovision => {
                &["cut_off", "invitations", "directory", "instance", "quotas", "identity", "finish"]
            }
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
    Unwound,
    /// The run ended before.
    Nothing,
}

pub(crate) fn next(run: &run::Model, steps: &[step::Model]) -> Next {
    match run.status.as_str() {
        "running" => match steps.iter().find(|step| step.status != "done") {
            Some(step) => Next::Do(step.ordinal),
            None => Next::Done,
        },
        // What was begun may have had an effect, whether or not it was noted: it is undone as well.
        "compensating" => match steps
            .iter()
            .rev()
            .find(|step| matches!(step.status.as_str(), "done" | "failed" | "running"))
        {
            Some(step) => Next::Undo(step.ordinal),
            None => Next::Unwound,
        },
        _ => Next::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    fn world(run: &str, steps: &[&str]) -> (run::Model, Vec<step::Model>) {
        let at = DateTime::UNIX_EPOCH;
        let run = run::Model {
            tenant_id: Uuid::nil(),
            id: Uuid::nil(),
            kind: "provision".to_owned(),
            status: run.to_owned(),
            quotas: Value::Null,
            created_at: at,
            finished_at: None,
        };
        let step = |(ordinal, status): (i64, &&str)| step::Model {
            tenant_id: Uuid::nil(),
            run_id: Uuid::nil(),
            ordinal,
            name: String::new(),
            status: (*status).to_owned(),
            attempts: 0,
            started_at: None,
            finished_at: None,
            error: None,
        };
        let steps = (0..).zip(steps).map(step).collect();
        (run, steps)
    }

    #[test]
    fn a_run_goes_forward_and_an_abandoned_one_backward() {
        for (run, steps, expected) in [
            ("running", vec!["pending", "pending"], Next::Do(0)),
            ("running", vec!["done", "running"], Next::Do(1)),
            ("running", vec!["done", "failed"], Next::Do(1)),
            ("running", vec!["done", "done"], Next::Done),
            ("compensating", vec!["done", "failed", "pending"], Next::Undo(1)),
            ("compensating", vec!["done", "compensated", "pending"], Next::Undo(0)),
            ("compensating", vec!["compensated", "compensated", "pending"], Next::Unwound),
            ("done", vec!["done"], Next::Nothing),
            ("failed", vec!["compensated"], Next::Nothing),
        ] {
            let (run, steps) = world(run, &steps);
            assert_eq!(next(&run, &steps), expected);
        }
    }
}
