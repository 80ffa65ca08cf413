//! What stories begin with, in one call each: people, groups, invitations, receivers, modules, connections, instances, an Azure.

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use entity::platform::states::JobStatus;
use entity::platform::{job, outbox_event};
use platform::PlatformView;
use platform::config::Config;
use reqwest::Method;
use sea_orm::{ColumnTrait as _, QueryFilter as _};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{Tenant, TestApp};
use crate::arm::{Arm, SUBSCRIPTION};
use crate::client::{Client, Reply};
use crate::issuer::{AUDIENCE, Issuer};
use crate::views::{
    Connection, Instance, Introspection, Invitation, Job, ListPage, Module, Quota, RecordedMail,
    RegisteredIssuer, Run, SignIn, TenantView, User, WebhookEndpoint,
};

/// What is due again within this time is somebody who looks whether they can go on.
const LOOKS_AGAIN: TimeDelta = TimeDelta::seconds(2);

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

    /// The same where the service itself waits, for as long as a request may take; answers the tenant's id.
    pub async fn made_tenant(&self, body: Value) -> String {
        let request = self.request(Method::POST, "/api/v1/tenants").header("Prefer", "wait=20").json(&body);
        let reply = Reply::read(request).await;
        // On a slow machine the request's time is over first.
        if reply.status == 202 {
            let made: TenantView = reply.accepted();
            return crate::status(self, &made.id, "active").await.id;
        }
        reply.created_id()
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

    /// What stands on all pages of a list; `path` has a query.
    pub async fn all_pages<T: DeserializeOwned>(&self, path: &str) -> Vec<T> {
        let (mut all, mut next) = (Vec::new(), Some(String::new()));
        while let Some(cursor) = next {
            let page: ListPage<T> = self.get(&format!("{path}{cursor}")).await.found();
            all.extend(page.items);
            next = page.next_cursor.map(|cursor| format!("&cursor={cursor}"));
        }
        all
    }

    /// Waits until every job of this kind is done.
    ///
    /// # Panics
    /// If one of them is a dead letter.
    pub async fn no_more_of(&self, kind: &str) {
        crate::eventually(&format!("{kind} to be done"), async || {
            // Whatever their status: one that goes from running to pending between two questions would be in neither answer.
            let all: Vec<Job> = self.all_pages(&format!("/api/v1/jobs?limit=200&kind={kind}")).await;
            assert!(all.iter().all(|job| job.status != "dead"), "{all:?}");
            all.iter().all(|job| job.status == "done").then_some(())
        })
        .await;
    }

    /// Waits until what came in by webhooks is processed.
    ///
    /// # Panics
    /// As [`Client::no_more_of`].
    pub async fn inbox_is_through(&self) {
        self.no_more_of("inbox.process").await;
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

    /// Waits until every event so far is told, so that whoever hears of it has left the jobs that it asks for.
    pub async fn all_is_told(&self) {
        let waiting = async || {
            let read = async |view: &PlatformView| {
                let events = view.across::<outbox_event::Entity>();
                view.all(events.filter(outbox_event::Column::DispatchedAt.is_null())).await
            };
            let events = self.running.service.db.read_platform(read).await.expect("the store answers");
            events.into_iter().map(|event| event.id).collect::<HashSet<_>>()
        };
        let so_far = waiting().await;
        crate::eventually("all to be told", async || waiting().await.is_disjoint(&so_far).then_some(()))
            .await;
    }

    /// Waits until all that was told so far, and all that is due for a tenant, is worked on. What looks again by itself within seconds has
    /// looked three times.
    pub async fn is_worked_on(&self, tenant: &str) {
        self.all_is_told().await;
        let tenant: Uuid = tenant.parse().expect("an id");
        let open = [JobStatus::Pending, JobStatus::Running];
        let mut looks = HashSet::new();
        crate::eventually("what is due to be worked on", async || {
            let read = async |view: &PlatformView| {
                let own = view.across::<job::Entity>().filter(job::Column::TenantId.eq(tenant));
                view.all(own.filter(job::Column::Status.is_in(open))).await
            };
            let jobs = self.running.service.db.read_platform(read).await.expect("the store answers");
            let now = self.clock.now();
            if jobs.iter().any(|job| job.status == JobStatus::Running || job.next_run_at <= now) {
                return None;
            }
            let mut soon = jobs.iter().map(|job| job.next_run_at).filter(|at| *at < now + LOOKS_AGAIN);
            // The first of them is what was left by whoever had looked before.
            looks.extend(soon.clone());
            (soon.next().is_none() || looks.len() > 3).then_some(())
        })
        .await;
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
