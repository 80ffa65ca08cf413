//! What stories begin with, in one call each: people, groups, invitations, receivers, modules, connections, instances, an Azure.

use std::time::Duration;

use platform::config::Config;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::app::{Tenant, TestApp};
use crate::arm::{Arm, SUBSCRIPTION};
use crate::client::{Client, Reply};
use crate::issuer::{AUDIENCE, Issuer};
use crate::views::{
    Connection, Instance, Introspection, Invitation, Job, Module, Quota, RecordedMail, RegisteredIssuer, Run,
    SignIn, TenantView, User, WebhookEndpoint,
};

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

    /// Registers a module, at which flags are pushed to this URL.
    pub async fn module(&self, name: &str, url: &str) -> Module {
        self.post("/api/v1/modules", json!({"name": name, "baseUrl": url})).await.created()
    }

    /// A tenant, by its slug or its id.
    pub async fn tenant(&self, tenant: &str) -> TenantView {
        self.get(&format!("/api/v1/tenants/{tenant}")).await.found()
    }

    /// The users of a tenant.
    pub async fn users(&self, tenant: &str) -> Vec<User> {
        self.get(&format!("/api/v1/tenants/{tenant}/users?limit=200")).await.items()
    }

    /// A user of a tenant.
    pub async fn user(&self, tenant: &str, id: &str) -> User {
        self.get(&format!("/api/v1/tenants/{tenant}/users/{id}")).await.found()
    }

    /// Exchanges an upstream token for a token of the platform.
    pub async fn exchange(&self, token: &str) -> Reply {
        self.post("/api/internal/sso/exchange", json!({"subjectToken": token})).await
    }

    /// The answer that lists the mail that was recorded instead of sent.
    pub async fn mail_list(&self) -> Reply {
        Reply::read(self.request(Method::GET, "/dev/mail").header("Accept", "application/json")).await
    }

    /// Mail that was recorded instead of sent, newest first.
    pub async fn mails(&self) -> Vec<RecordedMail> {
        self.mail_list().await.items()
    }

    /// The sign-in that the code on its page leads to.
    pub async fn sign_in(&self, code: &str) -> SignIn {
        self.get(&format!("/api/v1/sign-ins?code={code}")).await.first()
    }

    /// What the platform says of a token.
    pub async fn introspect(&self, token: &str) -> Introspection {
        self.form("/oauth2/introspect", &[("token", token)]).await.found()
    }

    /// Asks for a tenant and waits until it is active.
    pub async fn active_tenant(&self, body: Value) -> TenantView {
        let slug = body["slug"].as_str().expect("a slug").to_owned();
        self.post("/api/v1/tenants", body).await.expect(202);
        crate::status(self, &slug, "active").await
    }

    /// Registers a shared instance of the pool, so that tenants are placed; answers its id.
    pub async fn pool(&self, name: &str) -> String {
        self.instance(json!({"name": name, "mode": "shared"})).await
    }

    /// Registers any instance of the pool; answers its id.
    pub async fn instance(&self, body: Value) -> String {
        self.post("/api/v1/instances", body).await.created_id()
    }

    /// The instances, oldest first.
    pub async fn instances(&self) -> Vec<Instance> {
        self.get("/api/v1/instances?limit=200").await.items()
    }

    /// How many tenants an instance has.
    pub async fn tenant_count(&self, instance: &str) -> i64 {
        self.get(&format!("/api/v1/instances/{instance}")).await.found::<Instance>().tenant_count
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

    /// Waits until no job of this kind is waiting or running.
    pub async fn no_more_of(&self, kind: &str) {
        crate::eventually("the jobs to be done", async || {
            for status in ["pending", "running"] {
                if !self.jobs(&format!("kind={kind}&status={status}")).await.is_empty() {
                    return None;
                }
            }
            Some(())
        })
        .await;
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
        let mut body = json!({"displayName": name});
        if !members.is_empty() {
            body["members"] = Value::Array(members);
        }
        self.scim.post("/scim/v2/Groups", body).await.created_id()
    }

    /// The admin invites somebody.
    pub async fn invite(&self, email: &str, role: &str) -> Invitation {
        let path = format!("/api/v1/tenants/{}/invitations", self.slug);
        self.admin.post(&path, json!({"email": email, "role": role})).await.created()
    }

    /// A connection to an issuer of the tests.
    pub async fn connect_to(&self, issuer: &Issuer) -> Connection {
        let body = json!({"type": "oidc", "name": "Corp", "issuer": issuer.url, "clientId": "c1", "clientSecret": "s"});
        self.admin.post(&self.path("connections"), body).await.created()
    }
}

impl TestApp {
    /// A service whose instances can be at an Azure.
    pub async fn at_azure(arm: &Arm) -> Self {
        Self::with(|config| arm.configure(config)).await
    }

    /// Accepts the newest invitation to an address, as its link does; answers what became of it.
    pub async fn accept_invitation(&self, email: &str) -> Invitation {
        let token = self.invitation_token(email).await;
        self.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await.found()
    }
}

impl Issuer {
    /// Stands in for the backend whose issuer is registered: its tokens are this one's from now on. Answers the claim that names
    /// the tenant.
    pub async fn stand_in(&self, operator: &Client) -> String {
        let registered: RegisteredIssuer = operator.get("/api/v1/issuers").await.first();
        let changed =
            json!({"issuer": self.url, "audience": AUDIENCE, "tenantClaim": registered.tenant_claim});
        operator.put(&format!("/api/v1/issuers/{}", registered.id), changed).await.expect(200);
        registered.tenant_claim
    }
}

impl Arm {
    /// Has the service make instances here.
    pub fn configure(&self, config: &mut Config) {
        let settings = config.section_mut::<azure::Settings>();
        settings.subscription_id = SUBSCRIPTION.to_owned();
        settings.tenant_id = "directory".to_owned();
        settings.client_id = "client".to_owned();
        // Tokens are remembered by the credentials that got them: a secret of its own for each double.
        settings.client_secret = SecretString::from(self.url.clone());
        settings.authority_url = self.url.clone();
        settings.management_url = self.url.clone();
        settings.regions = vec!["westeurope".to_owned(), "northeurope".to_owned()];
        settings.environments = vec!["westeurope=/subscriptions/x/environments/shared".to_owned()];
        settings.poll = Duration::from_millis(20);
        config.section_mut::<provisioning::Settings>().wait = Duration::from_millis(100);
    }

    /// What a process needs of it; the rest is as it is without settings.
    pub fn environment(&self) -> [(&str, &str); 4] {
        [
            ("TENANTRY__AZURE__SUBSCRIPTION_ID", SUBSCRIPTION),
            ("TENANTRY__AZURE__AUTHORITY_URL", &self.url),
            ("TENANTRY__AZURE__MANAGEMENT_URL", &self.url),
            ("TENANTRY__AZURE__POLL", "20ms"),
        ]
    }
}
