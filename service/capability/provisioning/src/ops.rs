//! Runs: begun, looked at, noted.

use std::collections::BTreeMap;

use entity::provisioning::{run, step};
use entity::tenancy::tenant;
use platform::{DbError, Target, Tx, View, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use serde_json::json;
use tenancy::{Status, TenantEvent};
use uuid::Uuid;
use web::{Code, Problem};

use crate::jobs::Advance;
use crate::model::Kind;

/// Characters of an error that the timeline shows.
const ERROR_MAX: usize = 500;

/// Makes the tenant's row and begins the run that provisions it.
pub(crate) async fn create(
    tx: &mut Tx,
    row: tenant::Model,
    quotas: &BTreeMap<String, Option<i64>>,
) -> Result<tenant::Model, Problem> {
    tenancy::plan(tx, &row.plan).await?;
    tx.insert(row.clone()).await.map_err(|error| {
        if error.conflicts_on("slug") {
            Problem::new(Code::TenantSlugTaken)
        } else if error.conflicts_on("external_id") {
            Problem::new(Code::TenantExternalIdTaken)
        } else {
            error.into()
        }
    })?;
    tenancy::record_event(tx, &row, TenantEvent::Created, "tenant.create");
    begin(tx, Kind::Provision, quotas).await?;
    Ok(row)
}

/// Begins a run and leaves the job that takes it on.
pub(crate) async fn begin(
    tx: &mut Tx,
    kind: Kind,
    quotas: &BTreeMap<String, Option<i64>>,
) -> Result<Uuid, DbError> {
    let id = ids::new();
    let run = run::Model {
        tenant_id: tx.tenant(),
        id,
        kind: kind.name().to_owned(),
        status: "running".to_owned(),
        quotas: json!(quotas),
        created_at: tx.now(),
        finished_at: None,
    };
    tx.insert(run).await?;
    let steps = (0..).zip(kind.steps()).map(|(ordinal, name)| step::Model {
        tenant_id: tx.tenant(),
        run_id: id,
        ordinal,
        name: (*name).to_owned(),
        status: "pending".to_owned(),
        attempts: 0,
        started_at: None,
        finished_at: None,
        error: None,
    });
    tx.insert_all(steps.collect()).await?;
    tx.enqueue(&Advance { tenant: tx.tenant(), run: id });
    Ok(id)
}

/// Begins the run that unmakes the tenant.
pub(crate) async fn delete(tx: &mut Tx) -> Result<tenant::Model, Problem> {
    let before = tenancy::get(tx).await?;
    match Status::of(&before)? {
        Status::Deleted => return Err(Problem::new(Code::NotFound)),
        Status::Deprovisioning => {
            tx.housekeeping();
            return Ok(before);
        }
        _ => {}
    }
    let row = tenancy::set_status(tx, Status::Deprovisioning).await?;
    tx.record("tenant.deprovision", Target::new("tenant", row.id));
    begin(tx, Kind::Deprovision, &BTreeMap::new()).await?;
    Ok(row)
}

/// Takes a failed tenant on again, or a waiting run now.
pub(crate) async fn retry(tx: &mut Tx) -> Result<tenant::Model, Problem> {
    let before = tenancy::get(tx).await?;
    match Status::of(&before)? {
        Status::Failed => {
            let (last, _) = latest(tx).await?;
            let quotas = serde_json::from_value(last.quotas).unwrap_or_default();
            let row = tenancy::set_status(tx, Status::Provisioning).await?;
            tx.record("tenant.retry", Target::new("tenant", row.id));
            begin(tx, Kind::Provision, &quotas).await?;
            Ok(row)
        }
        Status::Provisioning | Status::Deprovisioning => {
            let (run, _) = latest(tx).await?;
            let job = Advance { tenant: tx.tenant(), run: run.id };
            let sql = "UPDATE job SET next_run_at = $3 WHERE tenant_id = $1 AND dedupe_key = $2 AND status = 'pending'";
            tx.execute(sql, vec![job.stored_key().into(), tx.now().into()]).await?;
            tx.enqueue(&job);
            tx.record("tenant.retry", Target::new("tenant", before.id));
            Ok(before)
        }
        other => Err(Problem::new(Code::TenantNotActive).fact("status", other.name())),
    }
}

/// The latest run and its steps.
pub(crate) async fn latest(view: &View) -> Result<(run::Model, Vec<step::Model>), Problem> {
    let found = view.one(view.select::<run::Entity>().order_by_desc(run::Column::Id)).await?;
    let run = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let steps = steps(view, run.id).await?;
    Ok((run, steps))
}

/// One run and its steps.
pub(crate) async fn load(view: &View, id: Uuid) -> Result<Option<(run::Model, Vec<step::Model>)>, DbError> {
    let Some(run) = view.one(view.select::<run::Entity>().filter(run::Column::Id.eq(id))).await? else {
        return Ok(None);
    };
    let steps = steps(view, id).await?;
    Ok(Some((run, steps)))
}

async fn steps(view: &View, run: Uuid) -> Result<Vec<step::Model>, DbError> {
    let select = view.select::<step::Entity>().filter(step::Column::RunId.eq(run));
    view.all(select.order_by_asc(step::Column::Ordinal)).await
}

/// Notes where a step stands.
pub(crate) async fn note(
    tx: &mut Tx,
    before: &step::Model,
    status: &str,
    error: Option<&str>,
) -> Result<step::Model, DbError> {
    tx.housekeeping();
    let begins = status == "running";
    let row = step::Model {
        status: status.to_owned(),
        attempts: before.attempts + i64::from(begins),
        started_at: if begins { before.started_at.or(Some(tx.now())) } else { before.started_at },
        finished_at: (!begins).then(|| tx.now()),
        error: error.map(|text| text.chars().take(ERROR_MAX).collect()),
        ..before.clone()
    };
    tx.update(row.clone()).await?;
    Ok(row)
}

/// Notes how a run ends, or that it is being unwound.
pub(crate) async fn note_run(tx: &mut Tx, before: &run::Model, status: &str) -> Result<(), DbError> {
    tx.housekeeping();
    let finished_at = matches!(status, "done" | "failed").then(|| tx.now());
    tx.update(run::Model { status: status.to_owned(), finished_at, ..before.clone() }).await
}
