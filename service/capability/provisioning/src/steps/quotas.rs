//! The quotas of the tenant's plan.

use platform::{Target, Tx, Work};
use serde_json::Value;

use super::{Attempt, NEVER_GIVEN_UP, Step, Undo, directory};
use crate::model::StepError;

pub(super) const SET: Step = Step {
    name: "quotas",
    does: "sets the quotas of the plan, and those that were asked for",
    waits_for: None,
    away: None,
    commit: |attempt, tx, _| Box::pin(set(attempt, tx)),
    undo: Undo::Here(|_, tx| Box::pin(remove(tx))),
};

pub(super) const REPAIR: Step = Step { undo: Undo::Nothing("what was repaired is retained"), ..SET };

pub(super) const REMOVE: Step = Step {
    name: "quotas",
    does: "removes the quotas",
    waits_for: None,
    away: None,
    commit: |_, tx, _| Box::pin(remove(tx)),
    undo: NEVER_GIVEN_UP,
};

async fn set(attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    let plan = tenancy::plan(tx, &tenant.plan).await?;
    let asked = attempt.run.parameters.get("quotas").cloned().unwrap_or(Value::Null);
    let asked = serde_json::from_value(asked).unwrap_or_default();
    Ok(quota::apply_plan(tx, &plan, &asked).await?)
}

async fn remove(tx: &mut Tx) -> Result<(), StepError> {
    directory::remove_rows(tx, directory::is_of_quotas).await?;
    tx.record("quota.delete", Target::new("tenant", tx.tenant()));
    Ok(())
}
