//! What of a run is shown.

use chrono::{DateTime, Utc};
use entity::provisioning::states::{RunKind, RunStatus, StepStatus};
use entity::provisioning::{run, step};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A tenant's timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provisioning {
    /// Its id.
    pub id: Uuid,
    /// `provision`, `deprovision`, `move` or `repair`
    #[schema(value_type = String)]
    pub kind: RunKind,
    /// `running`, `compensating`, `done`, `failed` or `cancelled`
    #[schema(value_type = String)]
    pub status: RunStatus,
    /// In order.
    pub steps: Vec<TimelineStep>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// One step of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineStep {
    /// Its name.
    pub name: String,
    /// `pending`, `running`, `done`, `failed` or `compensated`
    #[schema(value_type = String)]
    pub status: StepStatus,
    /// How often it was begun.
    pub attempts: i64,
    /// When it was begun first.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// From the first beginning to the end.
    pub duration_ms: Option<i64>,
    /// What went wrong last.
    pub error: Option<String>,
    /// What it waits for, in words.
    pub waits_for: Option<String>,
    /// The last requests to the outside: when, what, status, and their ids at the other side.
    #[schema(value_type = Vec<Object>)]
    pub calls: Value,
}

impl From<(run::Model, Vec<step::Model>)> for Provisioning {
    fn from((run, steps): (run::Model, Vec<step::Model>)) -> Self {
        let step = |step: step::Model| TimelineStep {
            name: step.name,
            status: step.status,
            attempts: step.attempts,
            started_at: step.started_at,
            finished_at: step.finished_at,
            duration_ms: duration(step.started_at, step.finished_at),
            error: step.error,
            waits_for: step.waits_for,
            calls: step.calls,
        };
        Self {
            id: run.id,
            kind: run.kind,
            status: run.status,
            steps: steps.into_iter().map(step).collect(),
            created_at: run.created_at,
            finished_at: run.finished_at,
        }
    }
}

fn duration(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<i64> {
    Some((to? - from?).num_milliseconds())
}
