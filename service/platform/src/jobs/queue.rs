//! The queue's statements. Each is one round trip inside a platform transaction.

use chrono::TimeDelta;
use entity::platform::job;
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Counts;
use crate::tx::{Ctx, PlatformTx, PlatformView, Target, Work};
use crate::{DbError, Timestamp};

/// Finished jobs are kept this long, for operators to look at.
const DONE_KEPT: TimeDelta = TimeDelta::days(7);
/// Dispatched events are kept this long, for those who read `/api/v1/events`.
const EVENTS_KEPT: TimeDelta = TimeDelta::days(30);
/// Characters of an error that are kept.
const ERROR_MAX: usize = 1_000;

/// Takes the next due job for `owner`, under a lease until `lease_until`.
pub(super) async fn claim(
    tx: &mut PlatformTx,
    owner: &str,
    lease_until: Timestamp,
) -> Result<Option<job::Model>, DbError> {
    tx.housekeeping();
    let sql = format!(
        "WITH due AS MATERIALIZED (\
            SELECT id FROM job WHERE status = 'pending' AND next_run_at <= $1 \
            AND (lane IS NULL OR lane NOT IN (SELECT lane FROM job WHERE status = 'running' AND lane IS NOT NULL)) \
            ORDER BY next_run_at, id LIMIT 1{}) \
         UPDATE job SET status = 'running', attempts = attempts + 1, lease_owner = $2, lease_expires_at = $3 \
         WHERE id IN (SELECT id FROM due) RETURNING *",
        tx.skip_locked()
    );
    let rows = tx.query(&sql, vec![tx.now().into(), owner.into(), lease_until.into()]).await?;
    Ok(rows.first().map(|row| job::Model::from_query_result(row, "")).transpose()?)
}

/// Renews a lease; false if it was lost.
pub(super) async fn renew(
    tx: &mut PlatformTx,
    id: Uuid,
    owner: &str,
    until: Timestamp,
) -> Result<bool, DbError> {
    tx.housekeeping();
    let sql =
        "UPDATE job SET lease_expires_at = $3 WHERE id = $1 AND lease_owner = $2 AND status = 'running'";
    Ok(tx.execute(sql, vec![id.into(), owner.into(), until.into()]).await? == 1)
}

/// How a run ended, for [`settle`].
pub(super) enum Outcome {
    Done,
    Again { at: Timestamp, reason: String },
    Dead { reason: String },
}

/// Ends the lease of `job`. Nothing happens if the lease was lost meanwhile: whoever has it now will settle.
pub(super) async fn settle(tx: &mut PlatformTx, job: &job::Model, outcome: Outcome) -> Result<(), DbError> {
    tx.housekeeping();
    let owner = job.lease_owner.clone().unwrap_or_default();
    let (status, at, reason) = match outcome {
        Outcome::Done => ("done", job.next_run_at, None),
        Outcome::Dead { reason } => ("dead", job.next_run_at, Some(reason)),
        Outcome::Again { at, reason } if superseded(tx, job).await? => {
            tracing::debug!(job = %job.id, %at, "superseded by a newer job");
            ("done", job.next_run_at, Some(format!("superseded by a newer job; last: {reason}")))
        }
        Outcome::Again { at, reason } => ("pending", at, Some(reason)),
    };
    let reason = reason.map(|text| text.chars().take(ERROR_MAX).collect::<String>());
    let finished = (status != "pending").then(|| tx.now());
    let sql = "UPDATE job SET status = $3, next_run_at = $4, last_error = $5, finished_at = $6, \
               lease_owner = NULL, lease_expires_at = NULL WHERE id = $1 AND lease_owner = $2 AND status = 'running'";
    let values = vec![job.id.into(), owner.into(), status.into(), at.into(), reason.into(), finished.into()];
    tx.execute(sql, values).await?;
    Ok(())
}

/// A pending job with the same key was enqueued while this one ran; it will do this one's work.
async fn superseded(view: &PlatformView, job: &job::Model) -> Result<bool, DbError> {
    let Some(key) = &job.dedupe_key else { return Ok(false) };
    let pending = view.across::<job::Entity>().filter(job::Column::Status.eq("pending"));
    Ok(view.count(pending.filter(job::Column::DedupeKey.eq(key))).await? > 0)
}

/// Gives back jobs whose worker died: their leases have expired.
pub(super) async fn reclaim(tx: &mut PlatformTx) -> Result<u64, DbError> {
    tx.housekeeping();
    let now = tx.now();
    let expired = tx
        .across::<job::Entity>()
        .filter(job::Column::Status.eq("running"))
        .filter(job::Column::LeaseExpiresAt.lt(now))
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
        settle(tx, job, outcome).await?;
    }
    Ok(expired.len() as u64)
}

/// How many rows of a kind one sweep removes at most: who removed so many sweeps again.
pub const SWEPT_AT_ONCE: u64 = 5_000;

/// Removes jobs and events that are long done, a bounded number at a time.
///
/// # Errors
/// [`DbError`] if the store fails.
pub async fn sweep(tx: &mut PlatformTx) -> Result<u64, DbError> {
    tx.housekeeping();
    let before = tx.now() - DONE_KEPT;
    let jobs = "DELETE FROM job WHERE id IN \
                (SELECT id FROM job WHERE status = 'done' AND finished_at < $1 LIMIT $2)";
    let removed = tx.execute(jobs, vec![before.into(), (SWEPT_AT_ONCE as i64).into()]).await?;
    let events = "DELETE FROM outbox_event WHERE id IN \
                  (SELECT id FROM outbox_event WHERE dispatched_at < $1 ORDER BY id LIMIT $2)";
    let events =
        tx.execute(events, vec![(tx.now() - EVENTS_KEPT).into(), (SWEPT_AT_ONCE as i64).into()]).await?;
    let replies = "DELETE FROM idempotency_record WHERE expires_at < $1";
    Ok(removed + events + tx.execute(replies, vec![tx.now().into()]).await?)
}

/// Gives a dead job (or one that waits) its attempts back and runs it at once. `None` if there is no such job, or it is
/// running or done.
///
/// # Errors
/// [`DbError`] if the store fails.
pub async fn retry(tx: &mut PlatformTx, id: Uuid) -> Result<Option<job::Model>, DbError> {
    let found = tx.lock(tx.across::<job::Entity>().filter(job::Column::Id.eq(id))).await?;
    let Some(mut job) = found.filter(|job| job.status == "dead" || job.status == "pending") else {
        return Ok(None);
    };
    job.status = "pending".to_owned();
    job.attempts = 0;
    job.next_run_at = tx.now();
    job.finished_at = None;
    tx.update(job.clone()).await?;
    tx.record("job.retry", Target::new("job", id));
    Ok(Some(job))
}

/// How many jobs there are, by status.
///
/// # Errors
/// [`DbError`] if the store fails.
pub async fn counts(view: &PlatformView) -> Result<Counts, DbError> {
    let of = |status: &'static str| view.across::<job::Entity>().filter(job::Column::Status.eq(status));
    let due = of("pending").filter(job::Column::NextRunAt.lte(view.now()));
    let due = due.select_only().column(job::Column::NextRunAt).order_by_asc(job::Column::NextRunAt).limit(1);
    Ok(Counts {
        pending: view.count(of("pending")).await?,
        running: view.count(of("running")).await?,
        dead: view.count(of("dead")).await?,
        oldest_due: view.tuples::<_, Timestamp>(due).await?.into_iter().next(),
    })
}

/// The actor of the queue's own statements.
pub(super) fn ctx() -> Ctx {
    Ctx::system("queue")
}
