//! Tenants, and what belongs to them.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A tenant, as the API shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub status: String,
    pub plan: String,
    pub billing: String,
    pub isolation: String,
    pub region: Option<String>,
    pub suspended_by: Option<String>,
    pub identity: Identity,
    pub instance: Placement,
    pub updated_at: String,
}

/// By which identity backend a tenant's people sign in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    pub backend: String,
    pub kind: String,
    pub external_id: Option<String>,
    pub idp_alias: Option<String>,
    pub issuer: Option<String>,
}

/// Where a tenant runs. Stories compare it whole: it has these fields and no others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    pub driver: String,
    pub mode: String,
    #[serde(deserialize_with = "present")]
    pub id: Option<String>,
}

impl Placement {
    /// On this instance of the pool, or on none yet.
    pub fn pool(mode: &str, id: Option<&str>) -> Self {
        Self { driver: "pool".to_owned(), mode: mode.to_owned(), id: id.map(ToOwned::to_owned) }
    }
}

/// A field that may be null, and may not be absent.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(value)
}

/// An instance on which tenants run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    pub id: String,
    pub driver: String,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub health: String,
    pub capacity: i64,
    pub tenant_count: i64,
}

/// What Azure makes for a tenant.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    pub status: String,
    pub purpose: String,
}

/// What differs between a tenant and its backend.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    pub differences: Vec<Value>,
}

/// A run of a tenant's steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub steps: Vec<RunStep>,
}

/// A step of a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStep {
    pub name: String,
    pub status: String,
    pub attempts: i64,
    pub error: Option<String>,
    pub waits_for: Option<String>,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    pub calls: Vec<Value>,
}

impl Run {
    /// The step of this name.
    #[track_caller]
    pub fn step(&self, name: &str) -> &RunStep {
        self.steps.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

/// An organization of a tenant.
#[derive(Debug, Deserialize)]
pub struct Organization {
    pub id: String,
    pub slug: String,
}

/// How much of something a tenant has and may have.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    pub resource: String,
    pub limit: Option<i64>,
    pub used: i64,
    pub reserved: i64,
    pub remaining: Option<i64>,
    /// Whether the limit is the tenant's own, not its plan's.
    pub own: bool,
}

/// A part of a quota that somebody holds until they commit or release it.
#[derive(Debug, Deserialize)]
pub struct Reservation {
    pub id: String,
    pub status: String,
}

/// An invitation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    pub id: String,
    pub email: String,
    pub role: String,
    pub status: String,
    pub organization_id: String,
    pub user_id: Option<String>,
}

/// A page of invitations, and how many there are of each status.
#[derive(Debug, Deserialize)]
pub struct Invitations {
    pub items: Vec<Invitation>,
    pub counts: InvitationCounts,
}

/// How many invitations there are of each status.
#[derive(Debug, Deserialize)]
pub struct InvitationCounts {
    pub pending: u64,
}

/// Many invitations at once.
#[derive(Debug, Deserialize)]
pub struct InvitationBatch {
    pub id: String,
    pub status: String,
    pub total: i64,
    pub invited: i64,
    pub refused: i64,
    pub waiting: i64,
}

/// A line of such a batch.
#[derive(Debug, Deserialize)]
pub struct BatchLine {
    pub role: String,
    pub status: String,
    pub code: Option<String>,
    pub detail: Option<String>,
}

/// Somebody's request to join.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRequest {
    pub id: String,
    pub email: String,
    pub role: String,
    pub status: String,
    pub user_id: Option<String>,
}
