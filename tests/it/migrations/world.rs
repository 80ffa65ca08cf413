//! People of the version before, the doors by which they come, and the service of now on their store.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{AUDIENCE, Exchanged, Invitation, Issuer, Reply, TestApp, User};

use super::before::Before;
use super::people::PEOPLE;
use super::rows::*;

const EXCHANGE: &str = "/api/internal/sso/exchange";
const ACCEPT: &str = "/api/v1/invitations/accept";
pub(super) const USERS: &str = "/api/v1/tenants/acme/users";

/// A connection that nobody has changed, and one that was changed ten days ago; their names are their client ids.
pub(super) const SAME: u128 = 0xc1;
pub(super) const CHANGED: u128 = 0xc2;

/// acme under the version before: its people come by a registered issuer, by a gateway and by connections to a provider.
pub(super) struct Old {
    pub(super) before: Before,
    pub(super) corp: Issuer,
    pub(super) issuer: Issuer,
}

impl Old {
    pub(super) async fn acme() -> Self {
        let (corp, issuer) = (Issuer::start(), Issuer::start());
        let before = Before::with_tenants(PEOPLE).await;
        let registered = vec![
            ("id", id(0xe).into()),
            ("issuer", issuer.url.as_str().into()),
            ("audience", AUDIENCE.into()),
            ("tenant_claim", "org_id".into()),
        ];
        before.insert("issuer", with(registered, made(days_ago(40)))).await;
        before.insert("connection", oidc(ACME, SAME, (&corp.url, "same"))).await;
        let row = oidc(ACME, CHANGED, (&corp.url, "changed"));
        before.insert("connection", with(row, changed(days_ago(10)))).await;
        Self { before, corp, issuer }
    }

    pub(super) async fn user(&self, row: Row) {
        self.before.user(row).await;
    }

    /// Somebody is linked who came first and last so many days ago.
    pub(super) async fn link(
        &self,
        place: Place,
        user: u128,
        (issuer, subject): (&str, &str),
        days: (i64, i64),
    ) {
        let moments = (days_ago(days.0), days_ago(days.1));
        self.before.insert("user_identity", link(place, user, (issuer, subject), moments)).await;
    }

    pub(super) async fn start(self) -> World {
        let app = self.before.start().await;
        let Self { before, corp, issuer } = self;
        World { before, corp, issuer, app }
    }
}

/// The same store with the service of now.
pub(super) struct World {
    pub(super) before: Before,
    pub(super) corp: Issuer,
    pub(super) issuer: Issuer,
    pub(super) app: TestApp,
}

/// Who came in: the user, as what, and where.
pub(super) fn came_in(reply: Reply) -> (String, String, String) {
    let done: Exchanged = reply.found();
    (done.user.id, done.user.role, done.organization_id)
}

/// The same, as it should be.
pub(super) fn who(user: u128, role: &str, place: Place) -> (String, String, String) {
    (id(user).to_string(), role.to_owned(), place.1.to_string())
}

fn with_email(mut claims: Value, email: Option<&str>, verified: bool) -> Value {
    claims["email"] = json!(email);
    claims["email_verified"] = json!(verified);
    claims
}

impl World {
    pub(super) async fn stop(self) {
        self.app.stop().await;
        self.corp.stop().await;
        self.issuer.stop().await;
    }

    pub(super) async fn exchange(&self, issuer: &Issuer, claims: &Value) -> Reply {
        self.app.operator.exchange(&issuer.sign(claims)).await
    }

    /// What the provider says of somebody to this client of its, one of the connections.
    pub(super) fn claims(&self, client: &str, subject: &str, email: Option<&str>) -> Value {
        let mut claims = with_email(self.corp.claims(subject, "nothing"), email, true);
        claims["aud"] = json!(client);
        claims
    }

    /// Somebody comes by a connection.
    pub(super) async fn by(&self, client: &str, subject: &str, email: Option<&str>) -> Reply {
        self.exchange(&self.corp, &self.claims(client, subject, email)).await
    }

    /// Somebody comes by the registered issuer.
    pub(super) async fn by_issuer(&self, subject: &str, email: Option<&str>, verified: bool) -> Reply {
        let claims = with_email(self.issuer.claims(subject, "org_acme"), email, verified);
        self.exchange(&self.issuer, &claims).await
    }

    pub(super) async fn by_gateway(&self, subject: &str) -> Reply {
        let gateway = self.app.key("gateway", None).await;
        let request = gateway.request(Method::POST, EXCHANGE).json(&json!({}));
        Reply::read(request.header("X-User-ID", subject).header("X-Org-ID", "org_acme")).await
    }

    pub(super) async fn accept(&self, token: &str) -> Reply {
        self.app.anyone().post(ACCEPT, json!({"token": token})).await
    }

    pub(super) async fn users(&self) -> Vec<User> {
        self.app.operator.users("acme").await
    }

    pub(super) async fn status(&self, invitation: u128) -> String {
        let path = format!("/api/v1/tenants/acme/invitations/{}", id(invitation));
        self.app.operator.get(&path).await.found::<Invitation>().status
    }

    /// What the provider says of whoever signs in there by a browser from now on.
    pub(super) fn answers(&self, subject: &'static str, email: &'static str) {
        self.corp.misbehave(|mischief| {
            mischief.claims = Some(Box::new(move |claims: &mut Value| {
                claims["sub"] = json!(subject);
                claims["email"] = json!(email);
            }));
        });
    }

    pub(super) async fn mailed_code(&self, to: &str) -> String {
        self.app.mailed_code(to).await
    }
}
