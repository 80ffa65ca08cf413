//! The harness: the service in this process or in its own, callers, and the outside world's real parts.
//!
//! SQLite by default; `TENANTRY_TEST_DB=postgres://superuser@…` runs the same stories on Postgres, a database a test, with
//! an owner that migrates and a login that is neither owner nor superuser.
#![allow(clippy::disallowed_methods, reason = "tests play the outside world")]

mod app;
mod arm;
mod authenticator;
mod browser;
mod client;
mod dns;
pub mod faults;
mod issuer;
mod keycloak;
mod parts;
mod process;
mod proxy;
mod receiver;
mod redaction;
mod retention;
pub mod saml;
mod store;
mod views;
mod worlds;
mod zitadel;

/// Every action that is audited, one a line.
pub const ACTIONS: &str = include_str!("../it/guards/actions.out");

pub use app::{MASTER_KEY, Tenant, TestApp};
pub use arm::{Arm, Gate, SUBSCRIPTION};
pub use authenticator::Authenticator;
pub use browser::{Browser, Page};
pub use client::{Client, Reply};
pub use dns::Dns;
pub use issuer::{AUDIENCE, Issuer, make_key};
pub use keycloak::Keycloak;
pub use parts::{OidcProvider, Part, SmtpServer};
pub use process::{Process, command, free_port};
pub use proxy::{Mishap, Proxy};
pub use receiver::{Received, Receiver};
pub use redaction::redacted;
pub use store::{Store, dump, on_postgres};
pub use views::{
    Attempt, AuditEvent, BatchLine, Bulk, BulkOperation, Connection, ConnectionTest, Delivery, DeliveryLog,
    Deployment, Domain, Drift, Entitlements, Event, Exchanged, ExchangedUser, FieldError, Flag, FlagPush,
    Group, Identity, Instance, Introspection, Invitation, InvitationBatch, Invitations, Job, JoinRequest,
    ListPage, Mail, ManagementKey, Member, Membership, Module, OperatorAccount, Organization, Party,
    Placement, Policy, Problem, Quota, Receipt, RecordedMail, RegisteredIssuer, Reservation, Restore, Run,
    RunStep, ScimRequest, ScimToken, ScimUser, SearchResults, Session, SignIn, SignInStep, Suppression,
    TenantView, Tokens, User, WebhookEndpoint,
};
pub use zitadel::{Happens, Zitadel};

/// Waits until `look` finds something; panics after half a minute.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1500 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("waited half a minute for {what}");
}

/// Waits until a tenant has a status, and answers the tenant; panics after a minute with its latest run.
pub async fn status(operator: &Client, tenant: &str, status: &str) -> TenantView {
    for _ in 0..3000 {
        // A process that begins or ends may answer anything else.
        let reply = operator.get(&format!("/api/v1/tenants/{tenant}")).await.json();
        if reply["status"] == status {
            return serde_json::from_value(reply).expect("a tenant");
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let run = operator.get(&format!("/api/v1/tenants/{tenant}/provisioning")).await;
    panic!("waited a minute for {tenant} to be {status}: {}", run.text);
}
