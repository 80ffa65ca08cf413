//! People and groups: of the admin API, and of SCIM (RFC 7643, RFC 7644).

use serde::Deserialize;
use serde_json::Value;

/// A user of the admin API.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: String,
    pub user_name: String,
    pub display_name: Option<String>,
    pub role: String,
    pub role_source: String,
    pub source: String,
    pub active: bool,
}

/// A user of SCIM.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScimUser {
    pub id: String,
    pub user_name: String,
    pub active: bool,
    pub display_name: Option<String>,
    pub title: Option<String>,
    #[serde(default)]
    pub groups: Vec<Membership>,
}

/// A group that a user is a member of, directly or by another group.
#[derive(Clone, Debug, Deserialize)]
pub struct Membership {
    pub value: String,
    pub display: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// A group of SCIM.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub id: String,
    pub display_name: String,
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Debug, Deserialize)]
pub struct Member {
    pub value: String,
    #[serde(rename = "$ref")]
    pub location: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// What SCIM found (RFC 7644, section 3.4.2), one page of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: serde::de::DeserializeOwned")]
pub struct SearchResults<T> {
    pub total_results: i64,
    pub items_per_page: Option<i64>,
    pub start_index: Option<i64>,
    pub next_cursor: Option<String>,
    #[serde(rename = "Resources", default = "Vec::new")]
    pub resources: Vec<T>,
}

/// What became of a bulk request (RFC 7644, section 3.7).
#[derive(Debug, Deserialize)]
pub struct Bulk {
    #[serde(rename = "Operations")]
    pub operations: Vec<BulkOperation>,
}

/// What became of one operation of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkOperation {
    pub status: String,
    pub bulk_id: Option<String>,
    pub response: Option<Value>,
    pub version: Option<String>,
    pub location: Option<String>,
}

impl BulkOperation {
    /// The id of what it was about: the end of its location.
    #[track_caller]
    pub fn id(&self) -> String {
        let location = self.location.as_deref().unwrap_or_else(|| panic!("no location: {self:?}"));
        location.rsplit('/').next().expect("an id").to_owned()
    }
}

/// A SCIM client's credential, with the secret that is shown once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScimToken {
    pub id: String,
    pub token: Option<String>,
    pub client_id: Option<String>,
    pub token_endpoint: Option<String>,
    pub revoked_at: Option<String>,
}

/// A recorded request of a SCIM client.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScimRequest {
    pub id: String,
    pub method: String,
    pub status: i64,
    pub scim_type: Option<String>,
    pub dry_run: bool,
    pub duration_micros: i64,
}

/// A directory that is taken back to a moment.
#[derive(Debug, Deserialize)]
pub struct Restore {
    pub id: String,
    pub status: String,
    pub done: i64,
}
