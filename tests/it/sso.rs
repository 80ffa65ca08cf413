//! Single sign-on: customers' identity providers on one side, modules on the other.

mod corpus;
mod invited;
mod keycloak;
mod lifecycle;
mod mischief;
mod modules;
mod oidc;
mod provider;
mod replicas;
pub(crate) mod saml;
mod simplesamlphp;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tests::{Browser, Connection, Domain, Introspection, OidcProvider, Page, Reply, Tenant, TestApp, Tokens};

pub(crate) const CALLBACK: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A module: an OpenID client of ours.
#[derive(Clone)]
pub(crate) struct Module {
    pub(crate) id: String,
    pub(crate) secret: String,
}

pub(crate) async fn module(app: &TestApp, name: &str, more: Value) -> Module {
    let mut body = json!({"name": name, "baseUrl": "https://app.example", "redirectUris": [CALLBACK]});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let made: tests::Module = app.operator.post("/api/v1/modules", body).await.created();
    Module { id: made.client_id, secret: made.client_secret }
}

pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(platform::crypto::sha256(VERIFIER.as_bytes()))
}

impl Module {
    /// The URL to which the module sends a browser.
    pub(crate) fn authorize(&self, app: &TestApp, more: &[(&str, &str)]) -> String {
        self.authorize_at(&format!("{}/oauth2/authorize", app.operator.base), more)
    }

    pub(crate) fn authorize_at(&self, endpoint: &str, more: &[(&str, &str)]) -> String {
        let challenge = challenge();
        let mut all: Vec<(&str, &str)> = vec![
            ("client_id", &self.id),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid email profile offline_access"),
            ("state", "st4te"),
            ("nonce", "n0nce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        all.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        url::Url::parse_with_params(endpoint, all).unwrap().into()
    }

    pub(crate) async fn redeem(&self, app: &TestApp, code: &str) -> Reply {
        self.redeem_with(app, &[("code", code)]).await
    }

    pub(crate) async fn redeem_with(&self, app: &TestApp, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", self.id.as_str()),
            ("client_secret", self.secret.as_str()),
        ];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        app.anyone().form("/oauth2/token", &form).await
    }

    pub(crate) async fn refresh(&self, app: &TestApp, token: &str) -> Reply {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", self.id.as_str()),
            ("client_secret", self.secret.as_str()),
        ];
        app.anyone().form("/oauth2/token", &form).await
    }

    pub(crate) async fn active(&self, app: &TestApp, token: &str) -> bool {
        let form = [("token", token), ("client_id", &self.id), ("client_secret", &self.secret)];
        app.anyone().form("/oauth2/introspect", &form).await.found::<Introspection>().active
    }
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a JWT")).expect("base64");
    serde_json::from_slice(&payload).expect("claims")
}

pub(crate) async fn connect(tenant: &Tenant, body: Value) -> Connection {
    tenant.admin.post(&tenant.path("connections"), body).await.created()
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// A connection to a real OpenID Provider, at which it is registered.
pub(crate) async fn oidc_connection(op: &OidcProvider, tenant: &Tenant, more: Value) -> Connection {
    let mut body = json!({"type": "oidc", "name": "Corp", "issuer": op.issuer(), "clientId": "later"});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let made = connect(tenant, body).await;
    let (id, secret) = op
        .register(json!({
            "redirect_uris": [made.redirect_uri], "grant_types": ["authorization_code"], "response_types": ["code"],
            "post_logout_redirect_uris": [made.post_logout_redirect_uri],
            "backchannel_logout_uri": made.backchannel_logout_uri, "backchannel_logout_session_required": true,
        }))
        .await;
    let one = tenant.path(&format!("connections/{}", made.id));
    tenant.admin.patch(&one, json!({"clientId": id, "clientSecret": secret})).await.found()
}

/// Signs a person in through a tenant's OpenID Provider for a module, up to the module's redirect URI.
pub(crate) async fn sign_in(
    app: &TestApp,
    browser: &mut Browser,
    module: &Module,
    tenant: &Tenant,
    person: &str,
) -> Page {
    let page = browser.open(module.authorize(app, &[("tenant", &tenant.slug)])).await;
    browser.at_oidc_provider(page, person).await
}

/// The same, up to tokens.
pub(crate) async fn tokens(
    app: &TestApp,
    browser: &mut Browser,
    module: &Module,
    tenant: &Tenant,
    person: &str,
) -> Tokens {
    let page = sign_in(app, browser, module, tenant, person).await;
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
    module.redeem(app, &code).await.found()
}

/// Claims a domain and proves it by its record.
pub(crate) async fn prove_domain(app: &TestApp, tenant: &Tenant, name: &str) -> Domain {
    let made: Domain = tenant.admin.post(&tenant.path("domains"), json!({"domain": name})).await.created();
    app.dns.set(&made.record_name, &made.record_value);
    let verify = tenant.path(&format!("domains/{}/verify", made.id));
    let proven: Domain = tenant.admin.post(&verify, json!({})).await.found();
    assert_eq!(proven.status, "verified");
    proven
}
