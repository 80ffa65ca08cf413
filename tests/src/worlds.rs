//! What stories begin with, in one call each: people, groups, invitations, receivers, connections.

use serde_json::{Value, json};

use crate::app::{Tenant, TestApp};
use crate::client::Client;
use crate::issuer::Issuer;
use crate::views::{Invitation, Job, Quota, Run, WebhookEndpoint};

impl Client {
    /// Declares a flag that is on or off.
    pub async fn flag(&self, key: &str) {
        self.post("/api/v1/flags", json!({"key": key, "type": "boolean"})).await.expect(201);
    }

    /// Registers a receiver for events of these types.
    pub async fn webhook(&self, url: &str, event_types: &[&str]) -> WebhookEndpoint {
        let body = json!({"url": url, "eventTypes": event_types});
        self.post("/api/v1/webhook-endpoints", body).await.created()
    }

    /// How much of something a tenant has and may have.
    pub async fn quota(&self, tenant: &str, resource: &str) -> Quota {
        let all: Vec<Quota> = self.get(&format!("/api/v1/tenants/{tenant}/quotas")).await.items();
        all.into_iter()
            .find(|one| one.resource == resource)
            .unwrap_or_else(|| panic!("no quota of {resource}"))
    }

    /// The newest run of a tenant.
    pub async fn run(&self, tenant: &str) -> Run {
        self.get(&format!("/api/v1/tenants/{tenant}/provisioning")).await.found()
    }

    /// The jobs that a query finds, `status=dead` for example.
    pub async fn jobs(&self, query: &str) -> Vec<Job> {
        self.get(&format!("/api/v1/jobs?limit=200&{query}")).await.items()
    }

    /// Has a tenant hold so many of something at most.
    pub async fn limit(&self, tenant: &str, resource: &str, limit: u64) {
        let body = json!({"items": [{"resource": resource, "limit": limit}]});
        self.put(&format!("/api/v1/tenants/{tenant}/quotas"), body).await.expect(200);
    }
}

impl Tenant {
    /// A path below the tenant's organization `default`.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/tenants/{}/organizations/default/{rest}", self.slug)
    }

    /// Somebody whom the directory brings; answers their id.
    pub async fn user(&self, name: &str) -> String {
        self.scim.post("/scim/v2/Users", json!({"userName": name})).await.created_id()
    }

    /// A group of the directory with these people; answers its id.
    pub async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"displayName": name, "members": members});
        self.scim.post("/scim/v2/Groups", body).await.created_id()
    }

    /// The admin invites somebody.
    pub async fn invite(&self, email: &str, role: &str) -> Invitation {
        let path = format!("/api/v1/tenants/{}/invitations", self.slug);
        self.admin.post(&path, json!({"email": email, "role": role})).await.created()
    }

    /// A connection to an issuer of the tests; answers its JSON.
    pub async fn connect_to(&self, issuer: &Issuer) -> Value {
        let body = json!({"type": "oidc", "name": "Corp", "issuer": issuer.url, "clientId": "c1", "clientSecret": "s"});
        self.admin.post(&self.path("connections"), body).await.expect(201)
    }
}

impl TestApp {
    /// Accepts the newest invitation to an address, as its link does; answers what became of it.
    pub async fn accept_invitation(&self, email: &str) -> Value {
        let token = self.invitation_token(email).await;
        self.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await.expect(200)
    }
}
