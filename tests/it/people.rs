//! People: whichever door somebody comes by, they are one person, on one seat, as what they were invited, pushed or mapped to be.

mod audit;
mod claimed;
mod connections;
mod copies;
mod departed;
mod doors;
mod ends;
mod every_door;
mod groups;
mod invited;
mod organizations;
mod race;
mod repointed;
mod subjects;

use platform::config::Config;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{
    Client, Connection, Domain, Exchanged, Invitation, Issuer, Organization, Reply, ScimUser, Tenant,
    TestApp, Tokens, User, eventually,
};

use crate::sso::{connect, text};

const EXCHANGE: &str = "/api/internal/sso/exchange";
const ACCEPT: &str = "/api/v1/invitations/accept";
const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";
const ORGANIZATIONS: &str = "/api/v1/tenants/acme/organizations";
const USERS: &str = "/scim/v2/Users";

/// Headers of a gateway.
const EMAIL: &str = "X-User-Email";
const VERIFIED: &str = "X-User-Email-Verified";
const ORGANIZATION: &str = "X-Organization";

const OWNER: &str = "owner@acme.example";

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().expect("claims").remove(name);
    claims
}

/// Exchanges a token with these claims; `named`: what the caller says beside it.
async fn present(app: &TestApp, issuer: &Issuer, claims: &Value, named: Value) -> Reply {
    app.operator.post(EXCHANGE, with(named, "subjectToken", issuer.sign(claims))).await
}

/// Connects a tenant to a provider that is played here, as this client.
async fn connected(tenant: &Tenant, corp: &Issuer, client: &str, more: Value) -> Connection {
    let mut body = json!({"type": "oidc", "name": client, "issuer": corp.url, "clientId": client});
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    connect(tenant, body).await
}

/// Claims of an ID token of that provider, for this client, with an address that the provider says it has checked.
fn id_claims(corp: &Issuer, client: &str, subject: &str, email: &str) -> Value {
    with(with(corp.claims(subject, "nothing"), "aud", client), "email", email)
}

/// What the provider says of whoever signs in there by a browser from now on.
fn answers(corp: &Issuer, subject: &str, email: &str) {
    let (subject, email) = (subject.to_owned(), email.to_owned());
    corp.misbehave(|mischief| {
        mischief.claims = Some(Box::new(move |claims: &mut Value| {
            claims["sub"] = json!(subject);
            claims["email"] = json!(email);
        }));
    });
}

/// A tenant whose people come by a registered issuer, by a gateway, by mailed invitations and by their directory.
struct Stage {
    app: TestApp,
    acme: Tenant,
    issuer: Issuer,
    gateway: Client,
}

impl Stage {
    async fn set() -> Self {
        Self::with(None, |_| ()).await
    }

    /// With an owner, who is invited as admin.
    async fn owned() -> Self {
        Self::with(Some(OWNER), |_| ()).await
    }

    async fn with(owner: Option<&str>, adjust: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::with(|config| {
            config.rate_limit.enabled = false;
            adjust(config);
        })
        .await;
        let issuer = Issuer::start();
        issuer.register(&app.operator).await;
        let mut body =
            json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"externalId": "org_acme"}});
        if let Some(email) = owner {
            body["owner"] = json!({"email": email, "name": "Olga"});
        }
        let acme = app.tenant_with(body).await;
        let gateway = app.key("gateway", None).await;
        Self { app, acme, issuer, gateway }
    }

    async fn stop(self) {
        self.app.stop().await;
        self.issuer.stop().await;
    }

    /// Claims of a token of the registered issuer, with an address that it has checked.
    fn claims(&self, subject: &str, email: &str) -> Value {
        with(self.issuer.claims(subject, "org_acme"), "email", email)
    }

    async fn exchange(&self, claims: &Value) -> Reply {
        self.exchange_naming(claims, json!({})).await
    }

    /// The same, where the caller says whose the token is.
    async fn exchange_naming(&self, claims: &Value, named: Value) -> Reply {
        present(&self.app, &self.issuer, claims, named).await
    }

    /// Exchanges what the gateway says of somebody in its headers.
    async fn by_gateway(&self, subject: &str, headers: &[(&str, &str)]) -> Reply {
        let request = self.gateway.request(Method::POST, EXCHANGE).json(&json!({}));
        let request = request.header("X-User-ID", subject).header("X-Org-ID", "org_acme");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Reply::read(request).await
    }

    /// Invites somebody; answers where their invitation is.
    async fn invite(&self, email: &str, role: &str) -> String {
        let body = json!({"email": email, "role": role});
        format!("{INVITATIONS}/{}", self.app.operator.post(INVITATIONS, body).await.created_id())
    }

    /// Where the newest pending invitation of an address is.
    async fn pending(&self, email: &str) -> String {
        let path = format!("{INVITATIONS}?status=pending&email={email}");
        format!("{INVITATIONS}/{}", self.app.operator.get(&path).await.first::<Invitation>().id)
    }

    async fn invitation(&self, path: &str) -> Invitation {
        self.app.operator.get(path).await.found()
    }

    async fn state(&self, invitation: &str) -> String {
        self.invitation(invitation).await.status
    }

    /// Accepts by the token that was mailed.
    async fn accept(&self, email: &str) -> Reply {
        let token = self.app.invitation_token(email).await;
        self.app.anyone().post(ACCEPT, json!({"token": token})).await
    }

    /// The directory makes somebody.
    async fn push(&self, body: Value) -> ScimUser {
        self.acme.scim.post(USERS, body).await.created()
    }

    /// The directory switches somebody on or off.
    async fn switch(&self, user: &ScimUser, active: bool) {
        let change = json!({"Operations": [{"op": "replace", "value": {"active": active}}]});
        self.acme.scim.patch(&format!("{USERS}/{}", user.id), change).await.expect(200);
    }

    /// The directory removes somebody.
    async fn remove(&self, user: &ScimUser) {
        assert_eq!(self.acme.scim.delete(&format!("{USERS}/{}", user.id)).await.status, 204);
    }

    async fn users(&self) -> Vec<User> {
        self.acme.admin.users("acme").await
    }

    async fn user(&self, id: &str) -> User {
        self.acme.admin.user("acme", id).await
    }

    /// An admin changes a user.
    async fn edit(&self, id: &str, change: Value) {
        self.acme.admin.patch(&format!("/api/v1/tenants/acme/users/{id}"), change).await.expect(200);
    }

    /// How much of a quota is used, and reserved.
    async fn quota(&self, resource: &str) -> (i64, i64) {
        let one = self.acme.admin.quota("acme", resource).await;
        (one.used, one.reserved)
    }

    async fn seats(&self) -> (i64, i64) {
        self.quota("users").await
    }

    async fn limit_seats(&self, limit: i64) {
        let body = json!({"items": [{"resource": "users", "limit": limit}]});
        self.app.operator.put("/api/v1/tenants/acme/quotas", body).await.expect(200);
    }

    async fn default_organization(&self) -> String {
        self.acme.admin.get(&format!("{ORGANIZATIONS}/default")).await.found::<Organization>().id
    }

    /// Makes an organization beside `default`; answers its id and its directory.
    async fn organization(&self, slug: &str) -> (String, Client) {
        let id = self.acme.admin.post(ORGANIZATIONS, json!({"slug": slug, "name": slug})).await.created_id();
        let tokens = format!("{ORGANIZATIONS}/{slug}/scim-tokens");
        let token = self.acme.admin.post(&tokens, json!({"name": "idp"})).await.created_token();
        (id, self.app.operator.with(token))
    }
}
