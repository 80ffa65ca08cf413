//! Runs: begun, looked at, noted, given up.

use chrono::TimeDelta;
use entity::provisioning::states::{RunStatus, RunVerb, StepStatus};
use entity::provisioning::{run, step};
use entity::tenancy::tenant;
use platform::http::Call;
use platform::{DbError, Target, Timestamp, Tx, View, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use tenancy::{Status, TenantCreated, TenantDeprovisioning, TenantRestored, Verb};
use uuid::Uuid;

use crate::advance::Advance;
use crate::error::Error;
use crate::model::{Kind, StepError};
use crate::steps::{Steps as _, can_be_taken_back, gives_up};
use crate::store;

/// Characters of an error that the timeline shows.
const ERROR_MAX: usize = 1000;
/// Requests to the outside that a step keeps: the last ones.
const CALLS_MAX: usize = 30;

/// Tables whose rows are a tenant's own, children before parents: what is exported, and what goes with the tenant. Its runs, its
/// audit records, events and deliveries stay: they are the proof.
pub fn owned_tables() -> &'static [&'static str] {
    &entity::scope::OWNED_BY_TENANT
}

/// Makes the tenant's row and begins the run that provisions it.
///
/// # Errors
/// [`Error::SlugTaken`], [`Error::ExternalIdTaken`], [`tenancy::Error::PlanUnknown`].
pub async fn create(tx: &mut Tx, row: tenant::Model, parameters: Value) -> Result<tenant::Model, Error> {
    tenancy::plan(tx, &row.plan).await?;
    tx.insert(row.clone()).await.map_err(|error| {
        if error.conflicts_on("slug") {
            Error::SlugTaken
        } else if error.conflicts_on("external_id") || error.conflicts_on("idp_alias") {
            Error::ExternalIdTaken
        } else {
            error.into()
        }
    })?;
    tenancy::record_event::<TenantCreated>(tx, &row, "tenant.create");
    begin(tx, Kind::Provision, parameters).await?;
    Ok(row)
}

/// Begins a run and leaves the job that takes it on.
pub(crate) async fn begin(tx: &mut Tx, kind: Kind, parameters: Value) -> Result<Uuid, Error> {
    let id = ids::new();
    let run = run::Model {
        tenant_id: tx.tenant(),
        id,
        kind,
        status: RunStatus::Running,
        parameters,
        created_at: tx.now(),
        finished_at: None,
    };
    tx.insert(run).await.map_err(|error| match error {
        DbError::Conflict(_) => Error::RunOpen,
        other => other.into(),
    })?;
    let steps = (0..).zip(kind.steps()).map(|(ordinal, step)| step::Model {
        tenant_id: tx.tenant(),
        run_id: id,
        ordinal,
        name: step.name.to_owned(),
        status: StepStatus::Pending,
        attempts: 0,
        started_at: None,
        finished_at: None,
        error: None,
        waits_for: None,
        calls: json!([]),
    });
    tx.insert_all(steps.collect()).await?;
    tx.enqueue(&Advance { tenant: tx.tenant(), run: id });
    Ok(id)
}

/// Begins the run that unmakes the tenant, `recycle` from now; until then it can be taken back.
///
/// # Errors
/// [`Error::NotFound`] if it is gone, [`tenancy::Error::Unusable`], [`Error::RunOpen`].
pub async fn delete(tx: &mut Tx, recycle: TimeDelta) -> Result<tenant::Model, Error> {
    if tenancy::get(tx).await?.status == Status::Deleted {
        return Err(Error::NotFound);
    }
    // What goes needs no mending.
    if let Some((run, _)) = last(tx).await?
        && run.status == RunStatus::Running
        && run.kind == Kind::Repair
    {
        go(tx, &locked(tx, run.id).await?, RunVerb::Cancel).await?;
    }
    let done = tenancy::transition(tx, Verb::Deprovision).await?;
    if !done.is_new() {
        return sooner(tx, done.row, recycle).await;
    }
    let row = tenant::Model { recycle_until: Some(tx.now() + recycle), ..done.row };
    tx.update(row.clone()).await?;
    tenancy::record_event::<TenantDeprovisioning>(tx, &row, "tenant.deprovision");
    begin(tx, Kind::Deprovision, json!({"status": done.was})).await?;
    Ok(row)
}

/// A deletion that has begun: it may end sooner than was said, never later.
async fn sooner(tx: &mut Tx, row: tenant::Model, recycle: TimeDelta) -> Result<tenant::Model, Error> {
    let until = tx.now() + recycle;
    if row.recycle_until.is_none_or(|before| before <= until) {
        tx.housekeeping();
        return Ok(row);
    }
    let row = tenancy::put(tx, tenant::Model { recycle_until: Some(until), ..row }).await?;
    let details = json!({"recycleUntil": until});
    tx.record("tenant.deprovision", Target::new("tenant", row.id).with(details));
    let (run, _) = latest(tx).await?;
    wake(tx, run.id);
    Ok(row)
}

/// Lets a tenant in again, or takes its deletion back.
///
/// # Errors
/// [`tenancy::Error::Unusable`]
pub async fn resume(tx: &mut Tx) -> Result<tenant::Model, Error> {
    let status = tenancy::get(tx).await?.status;
    if status == Status::Deprovisioning { restore(tx).await } else { Ok(tenancy::resume(tx).await?) }
}

/// Takes a deletion back while it can be.
async fn restore(tx: &mut Tx) -> Result<tenant::Model, Error> {
    let (run, steps) = latest(tx).await?;
    let run = locked(tx, run.id).await?;
    let next = steps.iter().find(|step| step.status != StepStatus::Done);
    let in_time = next.is_some_and(|step| can_be_taken_back(&step.name));
    if run.kind != Kind::Deprovision || !in_time || run.status.after(RunVerb::Cancel).is_none() {
        // It can't be any more, or somebody took it back a moment ago: then it is let in already.
        return Ok(tenancy::resume(tx).await?);
    }
    go(tx, &run, RunVerb::Cancel).await?;
    let was = run.parameters.get("status").and_then(Value::as_str).and_then(Status::parse);
    let was = was.ok_or_else(|| Error::Internal("the run doesn't say where the tenant stood".to_owned()))?;
    let mut row = tenancy::transition(tx, Verb::Restore(was)).await?.row;
    row.recycle_until = None;
    tx.update(row.clone()).await?;
    tenancy::record_event::<TenantRestored>(tx, &row, "tenant.restore");
    Ok(row)
}

/// Takes a failed tenant on again, or a waiting run now.
///
/// # Errors
/// [`tenancy::Error::Unusable`]
pub async fn retry(tx: &mut Tx) -> Result<tenant::Model, Error> {
    // Locked before the run is read: somebody else may have begun it anew a moment before, and then there is one to be taken on.
    let before = tenancy::locked(tx).await?;
    let (run, _) = latest(tx).await?;
    let open = matches!(run.status, RunStatus::Running | RunStatus::Compensating);
    if open {
        wake(tx, run.id);
        tx.record("tenant.retry", Target::new("tenant", before.id));
        return Ok(before);
    }
    let row = tenancy::transition(tx, Verb::Retry).await?.row;
    tx.record("tenant.retry", Target::new("tenant", row.id));
    // As it was asked for: the latest run may be one that was to delete it.
    let select = tx.select::<run::Entity>().filter(run::Column::Kind.eq(Kind::Provision));
    let asked = tx.one(select.order_by_desc(run::Column::Id)).await?;
    let parameters = asked.map_or_else(|| json!({}), |run| run.parameters);
    begin(tx, Kind::Provision, parameters).await?;
    Ok(row)
}

/// Gives an open run up: what was done is undone.
///
/// # Errors
/// [`Error::RunNotOpen`]
pub async fn rollback(tx: &mut Tx) -> Result<tenant::Model, Error> {
    let before = tenancy::get(tx).await?;
    let (run, _) = latest(tx).await?;
    let run = locked(tx, run.id).await?;
    let after = run.status.after(RunVerb::GiveUp).filter(|_| gives_up(run.kind));
    if after == Some(run.status) {
        tx.housekeeping();
        return Ok(before);
    }
    if after.is_none() {
        return Err(Error::RunNotOpen { kind: run.kind, status: run.status });
    }
    go(tx, &run, RunVerb::GiveUp).await?;
    wake(tx, run.id);
    tx.record("tenant.rollback", Target::new("tenant", before.id));
    Ok(before)
}

/// Has a run taken on now: by the job that is there, also if that is put off at this moment, or by a new one.
fn wake(tx: &mut Tx, run: Uuid) {
    let job = Advance { tenant: tx.tenant(), run };
    store::run_now_at_commit(tx, job.stored_key());
    tx.enqueue(&job);
}

/// The latest run and its steps.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn latest(view: &View) -> Result<(run::Model, Vec<step::Model>), Error> {
    last(view).await?.ok_or(Error::NotFound)
}

/// The latest run and its steps, if the tenant has any.
async fn last(view: &View) -> Result<Option<(run::Model, Vec<step::Model>)>, DbError> {
    let found = view.one(view.select::<run::Entity>().order_by_desc(run::Column::Id)).await?;
    let Some(run) = found else { return Ok(None) };
    let steps = steps(view, run.id).await?;
    Ok(Some((run, steps)))
}

/// One run and its steps.
pub(crate) async fn load(view: &View, id: Uuid) -> Result<Option<(run::Model, Vec<step::Model>)>, DbError> {
    let Some(run) = view.one(view.select::<run::Entity>().filter(run::Column::Id.eq(id))).await? else {
        return Ok(None);
    };
    let steps = steps(view, id).await?;
    Ok(Some((run, steps)))
}

/// Runs with their steps, in one question.
pub(crate) async fn with_steps(
    view: &View,
    runs: Vec<run::Model>,
) -> Result<Vec<(run::Model, Vec<step::Model>)>, DbError> {
    let ids: Vec<Uuid> = runs.iter().map(|run| run.id).collect();
    let select = view.select::<step::Entity>().filter(step::Column::RunId.is_in(ids));
    let mut steps = view.all(select.order_by_asc(step::Column::Ordinal)).await?;
    let of = |run: run::Model| {
        let own = steps.extract_if(.., |step| step.run_id == run.id).collect();
        (run, own)
    };
    Ok(runs.into_iter().map(of).collect())
}

async fn steps(view: &View, run: Uuid) -> Result<Vec<step::Model>, DbError> {
    let select = view.select::<step::Entity>().filter(step::Column::RunId.eq(run));
    view.all(select.order_by_asc(step::Column::Ordinal)).await
}

async fn locked(tx: &Tx, id: Uuid) -> Result<run::Model, Error> {
    let found = tx.lock(tx.select::<run::Entity>().filter(run::Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

/// Refuses to go on with a run that somebody gave up, or ended, meanwhile.
pub(crate) async fn require_running(tx: &Tx, run: &run::Model) -> Result<(), StepError> {
    if locked(tx, run.id).await?.status == RunStatus::Running {
        return Ok(());
    }
    Err(StepError::Pending { after: std::time::Duration::ZERO, why: "the run was given up".to_owned() })
}

/// Where a step stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StepUpdate<'a> {
    /// An attempt begins, or goes on after a wait.
    Begun { again: bool },
    /// Something is waited for.
    Waits { why: &'a str, calls: &'a [Call] },
    /// Through.
    Done { calls: &'a [Call] },
    /// An attempt failed.
    Failed { why: &'a str, calls: &'a [Call] },
    /// Being undone, and not through with that.
    Undoes { why: &'a str, calls: &'a [Call] },
    /// Undone.
    Compensated { calls: &'a [Call] },
}

fn short(text: &str) -> String {
    text.chars().take(ERROR_MAX).collect()
}

/// A step whose attempt begins, or goes on after a wait.
pub(crate) fn begun(before: &step::Model, again: bool, now: Timestamp) -> step::Model {
    step::Model {
        status: StepStatus::Running,
        attempts: before.attempts + i64::from(!again),
        started_at: before.started_at.or(Some(now)),
        finished_at: None,
        // Kept while it is looked again, so that nobody looks in the one moment in which it isn't there.
        waits_for: before.waits_for.clone().filter(|_| again),
        ..before.clone()
    }
}

/// Records where a step stands.
pub(crate) async fn update_step(
    tx: &mut Tx,
    before: &step::Model,
    update: StepUpdate<'_>,
) -> Result<step::Model, DbError> {
    tx.housekeeping();
    let mut row = step::Model { waits_for: None, ..before.clone() };
    let calls = match update {
        StepUpdate::Begun { again } => {
            row = begun(before, again, tx.now());
            &[]
        }
        StepUpdate::Waits { why, calls } => {
            // It got on: attempts count what went wrong since.
            row.attempts = row.attempts.min(1);
            row.waits_for = Some(short(why));
            calls
        }
        StepUpdate::Done { calls } => {
            row.status = StepStatus::Done;
            row.error = None;
            row.finished_at = Some(tx.now());
            calls
        }
        StepUpdate::Failed { why, calls } => {
            row.status = StepStatus::Failed;
            row.error = Some(short(why));
            row.finished_at = Some(tx.now());
            calls
        }
        StepUpdate::Undoes { why, calls } => {
            row.waits_for = Some(format!("undoing: {}", short(why)));
            calls
        }
        StepUpdate::Compensated { calls } => {
            row.status = StepStatus::Compensated;
            row.finished_at = Some(tx.now());
            calls
        }
    };
    if !calls.is_empty() {
        row.calls = with_calls(row.calls, calls, CALLS_MAX);
    }
    tx.update(row.clone()).await?;
    Ok(row)
}

/// What was kept of the requests to the outside, and these: the last `max`.
pub(crate) fn with_calls(stored: Value, calls: &[Call], max: usize) -> Value {
    let mut stored: Vec<Value> = serde_json::from_value(stored).unwrap_or_default();
    stored.extend(calls.iter().map(|call| json!(call)));
    let surplus = stored.len().saturating_sub(max);
    Value::Array(stored.split_off(surplus))
}

/// Takes a run from where it was seen to where that leads; false: it may not, or somebody took it elsewhere meanwhile.
pub(crate) async fn go(tx: &mut Tx, seen: &run::Model, verb: RunVerb) -> Result<bool, DbError> {
    tx.housekeeping();
    let Some(status) = seen.status.after(verb) else { return Ok(false) };
    let finished_at = match status {
        RunStatus::Done | RunStatus::Failed | RunStatus::Cancelled => Some(tx.now()),
        RunStatus::Running | RunStatus::Compensating => None,
    };
    store::move_run(tx, seen, status, finished_at).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_30_requests_of_a_step_are_there_and_60_of_a_deployment() {
        assert_eq!((CALLS_MAX, crate::deployments::CALLS_MAX), (30, 60));
        let call = |number: u64| Call {
            at: chrono::DateTime::UNIX_EPOCH,
            method: "GET".to_owned(),
            host: "h".to_owned(),
            path: "/".to_owned(),
            status: None,
            request_id: None,
            milliseconds: number,
        };
        let some: Vec<Call> = (0..20).map(call).collect();
        let stored = with_calls(with_calls(json!([]), &some, CALLS_MAX), &some, CALLS_MAX);
        let stored: Vec<Call> = serde_json::from_value(stored).unwrap();
        assert_eq!(stored.len(), 30);
        assert_eq!((stored[0].milliseconds, stored[29].milliseconds), (10, 19));
    }
}
