//! The queue's statements. Each is one round trip inside a platform transaction.

use std::collections::HashSet;

use entity::platform::job;
use entity::platform::states::JobStatus;
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Counts;
use super::running::Lease;
use crate::tx::{CrossTenantStatement, Ctx, PlatformTx, PlatformView, Target, Work};
use crate::{DbError, Timestamp};

/// Jobs of one kind that run for one tenant at once, in all processes.
const TENANT_SHARE: i64 = 2;
/// Characters of an error that are kept.
const ERROR_MAX: usize = 1_000;

/// Kinds of which no job is taken for now.
pub(super) struct ClosedKinds<'a> {
    /// None at all.
    pub(super) full: Vec<&'a str>,
    /// None that failed before.
    pub(super) crowded: Vec<&'a str>,
}

/// Takes the next due job for `owner`, which no other claim has as its name, under a lease until `lease_until`: of an open kind, a free lane, and a tenant that has not its
/// share running. Replicas that claim at the same moment may give a tenant one each beyond its share.
pub(super) async fn claim(
    tx: &mut PlatformTx,
    owner: &str,
    lease_until: Timestamp,
    closed: &ClosedKinds<'_>,
) -> Result<Option<job::Model>, DbError> {
    tx.housekeeping();
    let (full, full_list) = tx.sql().is_one_of("kind", &closed.full, "$4");
    let (crowded, crowded_list) = tx.sql().is_one_of("kind", &closed.crowded, "$5");
    let due = CrossTenantStatement::built(format!(
        "WITH due AS MATERIALIZED (\
            SELECT id FROM job WHERE status = 'pending' AND next_run_at <= $1 \
            AND NOT ({full}) AND (attempts = 0 OR NOT ({crowded})) \
            AND (lane IS NULL OR lane NOT IN (SELECT lane FROM job WHERE status = 'running' AND lane IS NOT NULL)) \
            AND (tenant_id IS NULL OR (tenant_id, kind) NOT IN (\
                SELECT tenant_id, kind FROM job WHERE status = 'running' AND tenant_id IS NOT NULL \
                GROUP BY tenant_id, kind HAVING count(*) >= $6)) \
            ORDER BY next_run_at, id LIMIT 1{}) \
         UPDATE job SET status = 'running', attempts = attempts + 1, lease_owner = $2, lease_expires_at = $3 \
         WHERE id IN (SELECT id FROM due) RETURNING *",
        tx.skip_locked()
    ));
    let values =
        vec![tx.now().into(), owner.into(), lease_until.into(), full_list, crowded_list, TENANT_SHARE.into()];
    let rows = tx.query(&due, values).await?;
    Ok(rows.first().map(|row| job::Model::from_query_result(row, "")).transpose()?)
}

/// Renews `leases`; answers the owners of those that still hold.
pub(super) async fn renew(
    tx: &mut PlatformTx,
    leases: &[Lease],
    until: Timestamp,
) -> Result<HashSet<String>, DbError> {
    tx.housekeeping();
    let ids: Vec<_> = leases.iter().map(|lease| lease.job).collect();
    let owners: Vec<_> = leases.iter().map(|lease| lease.owner.as_str()).collect();
    let (test, list) = tx.id_list(&ids, "$2");
    let (owned, owner_list) = tx.sql().is_one_of("lease_owner", &owners, "$3");
    let renewal = CrossTenantStatement::built(format!(
        "UPDATE job SET lease_expires_at = $1 WHERE status = 'running' AND id {test} AND {owned} RETURNING lease_owner"
    ));
    let rows = tx.query(&renewal, vec![until.into(), list, owner_list]).await?;
    Ok(rows.iter().map(|row| row.try_get("", "lease_owner")).collect::<Result<_, _>>()?)
}

/// How a run ended, for [`finalize`].
pub(super) enum Outcome {
    Done,
    Again { at: Timestamp, reason: String },
    Dead { reason: String },
}

const END_LEASE: CrossTenantStatement = CrossTenantStatement::new(
    "UPDATE job SET status = $3, next_run_at = $4, last_error = $5, finished_at = $6, \
     lease_owner = NULL, lease_expires_at = NULL \
     WHERE id = $1 AND lease_owner = $2 AND status = 'running'",
);

/// Ends the lease under which `job` was claimed. Nothing happens if it was lost meanwhile: whoever has the job now records its outcome,
/// which may be this worker, under another lease.
pub(super) async fn finalize(
    tx: &mut PlatformTx,
    job: &job::Model,
    outcome: &Outcome,
) -> Result<(), DbError> {
    tx.housekeeping();
    let owner = job.lease_owner.clone().unwrap_or_default();
    let (status, at, reason) = match outcome {
        Outcome::Done => (JobStatus::Done, job.next_run_at, None),
        Outcome::Dead { reason } => (JobStatus::Dead, job.next_run_at, Some(reason.clone())),
        Outcome::Again { at, reason } if superseded(tx, job).await? => {
            tracing::debug!(job = %job.id, %at, "superseded by a newer job");
            let reason = format!("superseded by a newer job; last: {reason}");
            (JobStatus::Done, job.next_run_at, Some(reason))
        }
        Outcome::Again { at, reason } => (JobStatus::Pending, *at, Some(reason.clone())),
    };
    let reason = reason.map(|text: String| text.chars().take(ERROR_MAX).collect::<String>());
    let finished = (status != JobStatus::Pending).then(|| tx.now());
    let values = vec![job.id.into(), owner.into(), status.into(), at.into(), reason.into(), finished.into()];
    tx.execute(&END_LEASE, values).await?;
    Ok(())
}

/// A pending job with the same key was enqueued while this one ran; it will do this one's work.
async fn superseded(view: &PlatformView, job: &job::Model) -> Result<bool, DbError> {
    let Some(key) = &job.dedupe_key else { return Ok(false) };
    let pending = view.across::<job::Entity>().filter(job::Column::Status.eq(JobStatus::Pending));
    Ok(view.count(pending.filter(job::Column::DedupeKey.eq(key))).await? > 0)
}

/// Gives back jobs whose worker died: their leases have expired. `alive` run in this process: if their leases are over, it is because
/// the store was slow, and nobody else needs to begin them again.
pub(super) async fn reclaim(tx: &mut PlatformTx, alive: &[Uuid]) -> Result<u64, DbError> {
    tx.housekeeping();
    let now = tx.now();
    let expired = tx
        .across::<job::Entity>()
        .filter(job::Column::Status.eq(JobStatus::Running))
        .filter(job::Column::LeaseExpiresAt.lt(now))
        .filter(job::Column::Id.is_not_in(alive.iter().copied()))
        .order_by_asc(job::Column::Id)
        .limit(100);
    let expired = tx.all(expired).await?;
    for job in &expired {
        let reason = "the worker died".to_owned();
        let outcome = if job.attempts >= job.attempts_max {
            Outcome::Dead { reason }
        } else {
            Outcome::Again { at: now, reason }
        };
        finalize(tx, job, &outcome).await?;
    }
    Ok(expired.len() as u64)
}

/// Gives a dead job (or one that waits) its attempts back and runs it at once. `None` if there is no such job, or it is
/// running or done.
pub async fn retry(tx: &mut PlatformTx, id: Uuid) -> Result<Option<job::Model>, DbError> {
    let found = tx.lock(tx.across::<job::Entity>().filter(job::Column::Id.eq(id))).await?;
    let Some(mut job) = found else { return Ok(None) };
    match job.status {
        JobStatus::Dead | JobStatus::Pending => {}
        JobStatus::Running | JobStatus::Done => return Ok(None),
    }
    job.status = JobStatus::Pending;
    job.attempts = 0;
    job.next_run_at = tx.now();
    job.finished_at = None;
    tx.update(job.clone()).await?;
    tx.wake_workers();
    tx.record("job.retry", Target::new("job", id));
    Ok(Some(job))
}

/// How many jobs there are, by status.
pub async fn counts(view: &PlatformView) -> Result<Counts, DbError> {
    let of = |status: JobStatus| view.across::<job::Entity>().filter(job::Column::Status.eq(status));
    Ok(Counts {
        pending: view.count(of(JobStatus::Pending)).await?,
        running: view.count(of(JobStatus::Running)).await?,
        dead: view.count(of(JobStatus::Dead)).await?,
        oldest_due: oldest_due(view).await?,
    })
}

/// Since when the oldest job that is due has been; `None` if none is.
pub async fn oldest_due(view: &PlatformView) -> Result<Option<Timestamp>, DbError> {
    let due = view.across::<job::Entity>().filter(job::Column::Status.eq(JobStatus::Pending));
    let due = due.filter(job::Column::NextRunAt.lte(view.now()));
    let due = due.select_only().column(job::Column::NextRunAt).order_by_asc(job::Column::NextRunAt).limit(1);
    Ok(view.tuples::<_, Timestamp>(due).await?.into_iter().next())
}

/// The actor of the queue's own statements.
pub(super) fn ctx() -> Ctx {
    Ctx::system("queue")
}
