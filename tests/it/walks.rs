//! Walks: a tenant as its people live with it, from its creation on. Nothing here has more than they have: keys, browsers, mail, and the
//! pages of an identity provider.

mod directory;
mod found;
mod free;
mod organization;
mod realm;
mod zitadel;

use platform::config::Config;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{
    Browser, Client, Exchanged, ExchangedUser, Introspection, Invitation, Keycloak, Page, Reply, Tenant,
    TestApp,
};

use crate::sso::{Module, module, text};

const OWNER: &str = "olga@acme.example";

/// The platform: its gateway, to which apps bring what identity providers say, and a module that asks whose token it was shown.
struct Platform {
    app: TestApp,
    gateway: Client,
    module: Module,
}

/// Somebody who came in.
struct Visit {
    user: ExchangedUser,
    tenant: String,
    token: String,
    refresh: String,
}

impl Platform {
    async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::with(adjust).await;
        let gateway = app.key("gateway", None).await;
        let module = module(&app, "app", json!({})).await;
        Self { app, gateway, module }
    }

    /// An operator makes a tenant, waits until it is there, and hands its admin a key.
    async fn tenant(&self, body: Value) -> Tenant {
        let slug = text(&body, "slug");
        let id = self.app.operator.active_tenant(body).await.id;
        let admin = self.app.key("admin", Some(&id)).await;
        let scim = self.app.scim_token(&id, json!({"name": "idp"})).await;
        Tenant { id, slug, admin, scim }
    }

    async fn exchange(&self, token: &str) -> Reply {
        self.gateway.exchange(token).await
    }

    /// Somebody comes in with what their identity provider says of them.
    async fn comes(&self, token: &str) -> Visit {
        let done: Exchanged = self.exchange(token).await.found();
        Visit { user: done.user, tenant: done.tenant_slug, token: done.token, refresh: done.refresh_token }
    }

    /// As what a module sees whoever shows it this token; `None`: as nobody.
    async fn role(&self, token: &str) -> Option<String> {
        let form = [("token", token), ("client_id", &self.module.id), ("client_secret", &self.module.secret)];
        let said: Introspection = self.app.anyone().form("/oauth2/introspect", &form).await.found();
        said.active.then(|| said.roles.into_iter().next().expect("a role"))
    }

    /// Whether a visit is over: its token is nobody's, and there is no other one for it.
    async fn is_over(&self, visit: &Visit) -> bool {
        let form = [("grant_type", "refresh_token"), ("refresh_token", visit.refresh.as_str())];
        let refreshed = self.app.anyone().form("/oauth2/token", &form).await;
        if refreshed.status == 200 {
            return false;
        }
        refreshed.oauth_refused(400, "invalid_grant");
        self.role(&visit.token).await.is_none()
    }
}

/// How much of a quota is used, and reserved, as the tenant's admin sees it.
async fn quota(tenant: &Tenant, resource: &str) -> (i64, i64) {
    let one = tenant.admin.quota(&tenant.slug, resource).await;
    (one.used, one.reserved)
}

/// The newest invitation of an address, as the tenant's admin sees it.
async fn invitation(tenant: &Tenant, email: &str) -> Invitation {
    let path = format!("/api/v1/tenants/{}/invitations?email={email}", tenant.slug);
    tenant.admin.get(&path).await.items().pop().expect("an invitation")
}

/// A slug that no other test's realm has.
fn fresh(name: &str) -> String {
    format!("{name}-{}", &uuid::Uuid::now_v7().simple().to_string()[20..])
}

/// Where the app of a realm has its people sent back to.
const HOME: &str = "https://app.example/callback";
/// RFC 7636, appendix B
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Somebody with a browser, who has an account in a realm of Keycloak's.
struct Person<'a> {
    keycloak: &'a Keycloak,
    realm: String,
    browser: Browser,
    email: String,
    password: &'static str,
}

impl<'a> Person<'a> {
    fn new(keycloak: &'a Keycloak, realm: &str, email: &str) -> Self {
        let browser = Browser::default();
        let (realm, email, password) = (realm.to_owned(), email.to_owned(), "correct horse battery");
        Self { keycloak, realm, browser, email, password }
    }

    fn endpoint(&self, name: &str) -> String {
        format!("{}/realms/{}/protocol/openid-connect/{name}", self.keycloak.url, self.realm)
    }

    /// Opens the platform's app, which sends them to their realm.
    async fn opens_the_app(&mut self, scope: &str) -> Page {
        let challenge = crate::sso::challenge();
        let asked = [
            ("client_id", "tenantry"),
            ("redirect_uri", HOME),
            ("response_type", "code"),
            ("scope", scope),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let url = url::Url::parse_with_params(&self.endpoint("auth"), asked).expect("a URL");
        self.browser.open(url).await
    }

    async fn answers(&mut self, page: Page) -> Page {
        self.keycloak.answer(&mut self.browser, page, (&self.email, self.password)).await
    }

    /// What the app has, to which Keycloak has sent them back.
    async fn token(&self, page: &Page) -> String {
        let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "tenantry"),
            ("redirect_uri", HOME),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ];
        let app = self.keycloak.admin().await.anonymous();
        let reply = Reply::read(app.request(Method::POST, &self.endpoint("token")).form(&form)).await;
        text(&reply.expect(200), "access_token")
    }

    /// Opens the app and signs in, if Keycloak asks for it; answers the token that the app gets.
    async fn signs_in(&mut self, scope: &str) -> String {
        let page = self.opens_the_app(scope).await;
        let page = self.answers(page).await;
        self.token(&page).await
    }
}
