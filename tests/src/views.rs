//! What the API answers, as types: the fields that stories read. An answer that lacks one of them fails where it is read.

mod directory;
mod messages;
mod platform;
mod problem;
mod sign_in;
mod tenancy;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use directory::{
    Bulk, BulkOperation, Group, Member, Membership, Restore, ScimRequest, ScimToken, ScimUser, SearchResults,
    User,
};
pub use messages::{
    Attempt, Delivery, DeliveryLog, Event, Mail, Receipt, RecordedMail, Suppression, WebhookEndpoint,
};
pub use platform::{
    AuditEvent, Entitlements, Flag, FlagPush, Job, ManagementKey, Module, OperatorAccount, Party,
};
pub use problem::{FieldError, Problem};
pub use sign_in::{
    Connection, ConnectionTest, Domain, Exchanged, ExchangedUser, Introspection, Policy, RegisteredIssuer,
    Session, SignIn, SignInStep, Tokens,
};
pub use tenancy::{
    BatchLine, Deployment, Drift, Identity, Instance, Invitation, InvitationBatch, Invitations, JoinRequest,
    Organization, Placement, Quota, Reservation, Run, RunStep, TenantView,
};

use crate::client::Reply;

/// A list of the API, one page of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPage<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
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

    /// What was begun and goes on.
    #[track_caller]
    pub fn accepted<T: DeserializeOwned>(self) -> T {
        self.read_as(202)
    }

    /// What stands in a list.
    #[track_caller]
    pub fn items<T: DeserializeOwned>(self) -> Vec<T> {
        self.read_as::<ListPage<T>>(200).items
    }

    /// How many stand in a list.
    #[track_caller]
    pub fn count(self) -> usize {
        self.items::<serde::de::IgnoredAny>().len()
    }

    /// The first of a list.
    #[track_caller]
    pub fn first<T: DeserializeOwned>(self) -> T {
        let text = self.text.clone();
        self.items().into_iter().next().unwrap_or_else(|| panic!("an empty list: {text}"))
    }

    /// What SCIM found, one page of it.
    #[track_caller]
    pub fn results<T: DeserializeOwned>(self) -> SearchResults<T> {
        self.read_as(200)
    }

    /// How many SCIM found, on all pages.
    #[track_caller]
    pub fn total(self) -> i64 {
        self.results::<serde::de::IgnoredAny>().total_results
    }

    /// The id of what was created.
    #[track_caller]
    pub fn created_id(self) -> String {
        self.created_text("id")
    }

    /// The bearer token, or the client secret, of what was created.
    #[track_caller]
    pub fn created_token(self) -> String {
        self.created_text("token")
    }

    #[track_caller]
    fn created_text(self, field: &str) -> String {
        let made = self.expect(201);
        made[field].as_str().unwrap_or_else(|| panic!("no {field}: {made}")).to_owned()
    }

    #[track_caller]
    fn read_as<T: DeserializeOwned>(self, status: u16) -> T {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}
