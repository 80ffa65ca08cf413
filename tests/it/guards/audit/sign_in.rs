//! Connections to identity providers, and people who sign in and out by them.

use std::collections::BTreeSet;

use saml_core::Logout;
use serde_json::json;
use tests::{Browser, Issuer, RecordedMail, Session, Tenant, TestApp, Tokens};

use super::{Route, gone, id};
use crate::sso::saml::{IDP, corp};
use crate::sso::{Module, connect, module, prove_domain};

pub(super) async fn walk() -> BTreeSet<Route> {
    let (app, issuer) = (TestApp::with(|config| config.rate_limit.enabled = false).await, Issuer::start());
    settings(&app).await;
    let module = module(&app, "app", json!({})).await;
    exchanged(&app, &issuer).await;
    signed_in(&app, &issuer, &module).await;
    proven(&app, &issuer, &module).await;
    mailed(&app, &issuer, &module).await;
    let called = crate::guards::records::left_by(&app).await;
    app.stop().await;
    issuer.stop().await;
    called
}

/// What admins set, with a provider at which nobody is asked.
async fn settings(app: &TestApp) {
    let (op, acme) = (&app.operator, app.tenant("acme").await);
    let at = |rest: &str| acme.path(rest);
    let oidc = json!({"type": "oidc", "name": "c", "issuer": "http://127.0.0.1:9", "clientId": "c"});
    let oidc = id(&op.post(&at("connections"), oidc).await.expect(201));
    let one = at(&format!("connections/{oidc}"));
    op.patch(&one, json!({"name": "d"})).await.expect(200);
    let saml = json!({"type": "saml", "name": "s", "metadataUrl": "http://127.0.0.1:9/"});
    let saml = at(&format!("connections/{}", id(&op.post(&at("connections"), saml).await.expect(201))));
    op.post(&format!("{saml}/rotate-key"), json!({})).await.expect(200);
    gone(&op.delete(&saml).await);
    op.put(&at("sso-policy"), json!({"connectionId": oidc})).await.expect(200);
    op.delete(&one).await.refused(409, "conflict");
    op.patch(&at("sso-policy"), json!({"connectionId": null})).await.expect(200);
    gone(&op.delete(&one).await);
    let domain = prove_domain(app, &acme, "acme.example").await;
    gone(&op.delete(&at(&format!("domains/{}", domain.id))).await);
    gone(&op.delete(&at("sessions")).await);
}

/// A token of a registered issuer.
async fn exchanged(app: &TestApp, issuer: &Issuer) {
    issuer.register(&app.operator).await;
    app.operator.exchange(&issuer.token("ann", "org_acme")).await.expect(200);
}

/// A tenant whose people sign in at the issuer.
async fn tenant(app: &TestApp, issuer: &Issuer, slug: &str) -> (Tenant, String) {
    let identity = json!({"backend": "builtin", "kind": "realm"});
    let body = json!({"slug": slug, "name": slug, "plan": "pro", "identity": identity});
    let tenant = app.tenant_with(body).await;
    let body =
        json!({"type": "oidc", "name": "Corp", "issuer": issuer.url, "clientId": "c1", "clientSecret": "s"});
    let connection = connect(&tenant, body).await.id;
    (tenant, connection)
}

/// What a module asks for, as a form: a browser that is signed in goes on at once.
async fn asked_by_form(browser: &mut Browser, module: &Module, endpoint: &str) {
    let asked = url::Url::parse(&module.authorize_at(endpoint, &[("tenant", "corp")])).expect("a URL");
    let form: Vec<(String, String)> = asked.query_pairs().into_owned().collect();
    let page = browser.post(endpoint, &form).await;
    assert!(page.parameter("code").is_some(), "{} {}", page.url, page.text);
}

/// Tokens of one who signs in at the issuer.
async fn tokens(app: &TestApp, browser: &mut Browser, module: &Module, tenant: &Tenant) -> Tokens {
    let page = browser.open(module.authorize(app, &[("tenant", &tenant.slug)])).await;
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
    module.redeem(app, &code).await.found()
}

async fn signed_in(app: &TestApp, issuer: &Issuer, module: &Module) {
    let (corp, connection) = tenant(app, issuer, "corp").await;
    let (base, mut browser) = (&app.operator.base, Browser::default());
    let first = tokens(app, &mut browser, module, &corp).await;
    let second: Tokens = module.refresh(app, first.refresh()).await.found();
    asked_by_form(&mut browser, module, &format!("{base}/oauth2/authorize")).await;
    asked_by_form(&mut browser, module, &format!("{base}/realms/corp/oauth2/authorize")).await;
    let revoked = [
        ("token", second.refresh()),
        ("client_id", module.id.as_str()),
        ("client_secret", module.secret.as_str()),
    ];
    assert_eq!(app.anyone().form("/oauth2/revoke", &revoked).await.status, 200);
    // By an admin, by the person, by the provider.
    tokens(app, &mut browser, module, &corp).await;
    let sessions = "/api/v1/tenants/corp/sessions";
    let all: Vec<Session> = corp.admin.get(sessions).await.items();
    let live = all.iter().find(|one| one.live).expect("a session");
    gone(&corp.admin.delete(&format!("{sessions}/{}", live.id)).await);
    let hint = tokens(app, &mut browser, module, &corp).await.id().to_owned();
    browser.post(&format!("{base}/oauth2/logout"), &[("id_token_hint".to_owned(), hint)]).await.expect(200);
    tokens(app, &mut browser, module, &corp).await;
    let now = app.clock.now().timestamp();
    let logout = issuer.sign(&json!({
        "iss": issuer.url, "aud": "c1", "iat": now, "exp": now + 60, "jti": "j1", "sub": "alice",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }));
    let to = format!("/sso/oidc/{connection}/backchannel-logout");
    assert_eq!(app.anyone().form(&to, &[("logout_token", &logout)]).await.status, 200);
}

/// One who has an account already shows by a mailed code that it is theirs.
async fn proven(app: &TestApp, issuer: &Issuer, module: &Module) {
    let (tenant, _) = tenant(app, issuer, "prover").await;
    let invitation = json!({"email": "alice@corp.example", "role": "viewer"});
    tenant.admin.post("/api/v1/tenants/prover/invitations", invitation).await.expect(201);
    app.accept_invitation("alice@corp.example").await;
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(app, &[("tenant", "prover")])).await;
    let code = sent(app, "account-proof").await.code();
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert!(page.parameter("code").is_some(), "{} {}", page.url, page.text);
}

/// Of an address that no domain says anything about: who reads its mail learns where to sign in.
async fn mailed(app: &TestApp, issuer: &Issuer, module: &Module) {
    let (tenant, _) = tenant(app, issuer, "mailer").await;
    let guest = json!({"userName": "guest", "emails": [{"value": "guest@elsewhere.example"}]});
    tenant.scim.post("/scim/v2/Users", guest).await.expect(201);
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(app, &[])).await.expect(200);
    browser.submit(&page, &[("email", "guest@elsewhere.example")]).await.expect(200);
    // A job looks for the address, and records for the request.
    sent(app, "sign-in-link").await;
}

/// The newest mail of a template.
async fn sent(app: &TestApp, template: &str) -> RecordedMail {
    app.mail(&format!("the mail {template}"), |mail| mail.template == template).await
}

/// A SAML provider posts a response and a logout request.
pub(super) async fn walk_of_saml() -> BTreeSet<Route> {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let (corp, module) = (corp(&acme, json!({})).await, module(&app, "app", json!({})).await);
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let minted = corp.mint(&app, Some(&request));
    let page = corp.answer(&mut browser, &minted.xml(&corp.idp)).await;
    assert!(page.parameter("code").is_some(), "{} {}", page.url, page.text);
    // The route that the provider posts to stores the response; the GET that follows records what came of it.
    assert_eq!(app.audit("sign_in.succeed").await.len(), 1);
    let slo = corp.connection.slo_url();
    let logout = Logout { id: "_l1", issuer: IDP, destination: slo, now: app.clock.now() };
    let logout = logout.request("alice@corp.example", None, Some("_s1"));
    let signature = format!("</saml:Issuer>{}", minted.signature("_l1", &corp.idp));
    let signed = corp.idp.sign(&logout.replacen("</saml:Issuer>", &signature, 1));
    let page = browser.post(slo, &[("SAMLRequest".to_owned(), saml_core::to_post(&signed))]).await;
    assert!(page.url.as_str().starts_with("https://idp.example/sso/slo?SAMLResponse="), "{}", page.url);
    let called = crate::guards::records::left_by(&app).await;
    app.stop().await;
    called
}
