//! The commonest resources as types: what stories read of them. An answer that lacks one of the fields fails where it is read.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Reply;

/// An invitation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    pub id: String,
    pub email: String,
    pub role: String,
    pub status: String,
    pub organization_id: String,
    pub user_id: Option<String>,
}

/// A receiver of events, with the secret that is shown once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpoint {
    pub id: String,
    pub url: String,
    pub event_types: Vec<String>,
    pub secret: Option<String>,
}

/// A job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub attempts: i64,
    pub payload: Value,
    pub last_error: Option<String>,
}

/// A run of a tenant's steps.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub steps: Vec<RunStep>,
}

/// A step of a run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStep {
    pub name: String,
    pub status: String,
    pub attempts: i64,
    pub waits_for: Option<String>,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
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

/// A list of the API, one page of it.
#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

impl Reply {
    /// What was created.
    #[track_caller]
    pub fn created<T: DeserializeOwned>(self) -> T {
        self.read_as(201)
    }

    /// What was asked for, or was changed.
    #[track_caller]
    pub fn found<T: DeserializeOwned>(self) -> T {
        self.read_as(200)
    }

    /// What stands in a list.
    #[track_caller]
    pub fn items<T: DeserializeOwned>(self) -> Vec<T> {
        self.read_as::<List<T>>(200).items
    }

    /// The id of what was created.
    #[track_caller]
    pub fn created_id(self) -> String {
        let made = self.expect(201);
        made["id"].as_str().unwrap_or_else(|| panic!("no id: {made}")).to_owned()
    }

    #[track_caller]
    fn read_as<T: DeserializeOwned>(self, status: u16) -> T {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}
