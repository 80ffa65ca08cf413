//! `/api/v1/jobs`: durable work, dead letters included.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::platform::job::{Column, Entity, Model};
use entity::platform::states::JobStatus;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Code, FieldErrors, Ids, Input, ListQuery, Page, PlatformCaller, Position, Problem, Query, Routes,
};

use crate::codes;

pub(crate) fn routes(read: Access, write: Access) -> Routes {
    Routes::new()
        .add(Method::GET, "/api/v1/jobs", read, "list_jobs: List background jobs, newest first.", list_jobs)
        .add(
            Method::POST,
            "/api/v1/jobs/{job_id}/retry",
            write,
            "retry_job: Run a job now that is waiting or has failed for good.",
            retry_job,
        )
}

/// Which jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    status: Option<String>,
    kind: Option<String>,
}

impl Input for JobFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
        let known = self.status.as_deref().is_none_or(|status| JobStatus::parse(status).is_some());
        errors.require(known, "?status", "must be pending, running, done or dead");
    }
}

/// A background job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    id: Uuid,
    /// The tenant for which the job works; null: none.
    tenant_id: Option<Uuid>,
    kind: String,
    lane: Option<String>,
    #[schema(value_type = Object)]
    payload: Value,
    /// `pending`, `running`, `done` or `dead` (failed for good).
    #[schema(value_type = String)]
    status: JobStatus,
    attempts: i64,
    /// Number of attempts after which the job is `dead`.
    attempts_max: i64,
    /// When the job is due.
    next_run_at: DateTime<Utc>,
    last_error: Option<String>,
    /// The `X-Request-Id` of the request that created the job; null: none.
    request_id: Option<String>,
    created_at: DateTime<Utc>,
    /// When the job ended; null until then.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Model> for Job {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            tenant_id: row.tenant_id,
            kind: row.kind,
            lane: row.lane,
            payload: row.payload,
            status: row.status,
            attempts: row.attempts,
            attempts_max: row.attempts_max,
            next_run_at: row.next_run_at,
            last_error: row.last_error,
            request_id: row.request_id,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

async fn list_jobs(caller: PlatformCaller, Query(filter): Query<JobFilter>) -> Result<Page<Job>, Problem> {
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor };
    let position = Position::of(&query, &format!("jobs {:?} {:?}", filter.status, filter.kind))?;
    let before = position.after_id()?.unwrap_or(Uuid::max());
    let rows = caller
        .read(async |view| {
            let mut select = view.across::<Entity>().filter(Column::Id.lt(before));
            if let Some(status) = filter.status.as_deref().and_then(JobStatus::parse) {
                select = select.filter(Column::Status.eq(status));
            }
            if let Some(kind) = &filter.kind {
                select = select.filter(Column::Kind.eq(kind));
            }
            view.all(select.order_by_desc(Column::Id).limit(position.limit + 1)).await
        })
        .await?;
    Ok(position.page(rows, |row| row.id.to_string(), Job::from))
}

async fn retry_job(caller: PlatformCaller, ids: Ids) -> Result<Json<Job>, Problem> {
    let id = ids.id("job_id")?;
    let row = caller
        .write(async |tx| {
            let there = tx.one(tx.across::<Entity>().filter(Column::Id.eq(id))).await?;
            there.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            let retried = platform::jobs::retry(tx, id).await?;
            retried.ok_or_else(|| Problem::new(codes::JOB_NOT_RETRYABLE))
        })
        .await?;
    Ok(Json(row.into()))
}
