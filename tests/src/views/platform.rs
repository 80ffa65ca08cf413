//! What the platform has for all tenants: keys, modules, flags, jobs, records.

use serde::Deserialize;
use serde_json::Value;

/// Something that was done or was denied, as recorded.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    pub outcome: String,
    pub tenant_id: Option<String>,
    pub request_id: Option<String>,
    pub ip_address: Option<String>,
    pub actor: Party,
    pub target: Party,
    pub details: Value,
}

/// Who did it, or to what it was done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Party {
    pub kind: String,
    pub id: String,
}

/// A key of the API, with the token that is shown once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagementKey {
    pub id: String,
    pub name: String,
    pub token: Option<String>,
    pub revoked_at: Option<String>,
}

/// A module, with the secrets that are shown once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Module {
    pub id: String,
    pub profile: String,
    pub client_id: String,
    pub client_secret: String,
    pub webhook_secret: String,
}

/// What a tenant's plan entitles it to.
#[derive(Debug, Deserialize)]
pub struct Entitlements {
    /// Whether to the feature that was asked for.
    pub entitled: Option<bool>,
    pub entitlements: Value,
}

/// A flag as a tenant has it.
#[derive(Debug, Deserialize)]
pub struct Flag {
    pub value: Value,
    pub reason: String,
    pub rule: Option<i64>,
}

/// How a tenant's flags stand at a module.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagPush {
    pub tenant_id: String,
    pub version: i64,
    pub confirmed_version: i64,
    pub drift: bool,
    pub last_error: Option<String>,
}

/// An operator, with the link that is shown once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorAccount {
    pub id: String,
    pub enrollment_url: Option<String>,
}

impl OperatorAccount {
    /// The link by which the operator enrols.
    #[track_caller]
    pub fn link(&self) -> String {
        self.enrollment_url.clone().expect("a link")
    }
}

/// A job.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub attempts: i64,
    pub payload: Value,
    pub last_error: Option<String>,
}
