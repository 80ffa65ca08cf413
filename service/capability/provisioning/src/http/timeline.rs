//! What of a run is shown.

use chrono::{DateTime, Utc};
use entity::provisioning::states::{RunKind, RunStatus, StepStatus};
use entity::provisioning::{run, step};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A provisioning run of a tenant, step by step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provisioning {
    /// The run's id.
    pub id: Uuid,
    /// `provision`, `deprovision`, `move` or `repair`.
    #[schema(value_type = String)]
    pub kind: RunKind,
    /// `running`, `compensating` (completed steps are being undone), `done`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    pub status: RunStatus,
    /// The steps, in their order.
    pub steps: Vec<TimelineStep>,
    /// When the run began.
    pub created_at: DateTime<Utc>,
    /// When the run ended; null until then.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineStep {
    /// The step's name.
    pub name: String,
    /// `pending`, `running`, `done`, `failed` or `compensated` (undone).
    #[schema(value_type = String)]
    pub status: StepStatus,
    /// How often the step was attempted.
    pub attempts: i64,
    /// When the first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the step ended; null until then.
    pub finished_at: Option<DateTime<Utc>>,
    /// Milliseconds from the first attempt to the end.
    pub duration_ms: Option<i64>,
    /// The last error.
    pub error: Option<String>,
    /// What the step is waiting for, as text; null: nothing.
    pub waits_for: Option<String>,
    /// The last requests to other systems: time, request, status, and the other system's request id.
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
