//! The OpenID Provider that modules see.

use serde_json::{Value, json};
use tests::{Browser, OidcProvider, Receiver, Reply, Session, TestApp, eventually};

use super::*;

#[actix_web::test]
async fn a_request_may_be_pushed_and_is_used_once() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let (module, other) =
        (module(&app, "app", json!({})).await, super::module(&app, "other", json!({})).await);
    oidc_connection(&op, &acme, json!({})).await;
    let challenge = challenge();
    let pushed = [
        ("client_id", module.id.as_str()),
        ("client_secret", module.secret.as_str()),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "pushed"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("tenant", "acme"),
    ];
    let made = app.anyone().form("/oauth2/par", &pushed).await.expect(201);
    let uri = text(&made, "request_uri");
    let url = |client: &str| {
        let endpoint = format!("{}/oauth2/authorize", app.operator.base);
        url::Url::parse_with_params(&endpoint, [("client_id", client), ("request_uri", &uri)]).unwrap()
    };
    let mut browser = Browser::default();
    let page = browser.open(url(&module.id)).await;
    let page = browser.at_oidc_provider(page, "alice").await;
    assert_eq!(page.parameter("state").as_deref(), Some("pushed"));
    assert!(page.parameter("code").is_some());
    browser.open(url(&module.id)).await.refused("validation.failed");
    let made = app.anyone().form("/oauth2/par", &pushed).await.expect(201);
    let uri = text(&made, "request_uri");
    let stolen = url::Url::parse_with_params(
        &format!("{}/oauth2/authorize", app.operator.base),
        [("client_id", other.id.as_str()), ("request_uri", &uri)],
    );
    browser.open(stolen.unwrap()).await.refused("validation.failed");
    // Nobody pushes for a client without its secret, nor what couldn't be asked either.
    let without: Vec<_> = pushed.iter().copied().filter(|(name, _)| *name != "client_secret").collect();
    app.anyone().form("/oauth2/par", &without).await.oauth_refused(401, "invalid_client");
    let plain: Vec<_> = pushed.iter().copied().filter(|(name, _)| *name != "code_challenge_method").collect();
    app.anyone().form("/oauth2/par", &plain).await.oauth_refused(400, "invalid_request");
    app.stop().await;
}

#[actix_web::test]
async fn a_realm_is_an_issuer_of_its_own() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let body = json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"backend": "builtin", "kind": "realm"}});
    let acme = app.tenant_with(body).await;
    let other = app.tenant("other").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    oidc_connection(&op, &other, json!({})).await;
    let issuer = format!("{}/realms/acme", app.operator.base);
    let metadata = app.anyone().get("/realms/acme/.well-known/openid-configuration").await.expect(200);
    assert_eq!(metadata["issuer"], issuer.as_str());
    let endpoint = text(&metadata, "authorization_endpoint");
    let mut browser = Browser::default();
    let page = browser.open(module.authorize_at(&endpoint, &[])).await;
    let page = browser.at_oidc_provider(page, "alice").await;
    assert_eq!(page.parameter("iss"), Some(issuer.clone()));
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").unwrap()).await.found();
    assert_eq!(claims(tokens.id())["iss"], issuer.as_str());
    assert_eq!(claims(&tokens.access_token)["iss"], issuer.as_str());
    assert!(module.active(&app, &tokens.access_token).await);
    let refreshed: Tokens = module.refresh(&app, tokens.refresh()).await.found();
    assert_eq!(claims(refreshed.id())["iss"], issuer.as_str());
    // By the platform's own door the same person gets the platform's tokens, signed by other keys.
    let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await;
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").unwrap()).await.found();
    assert_eq!(claims(tokens.id())["iss"], app.operator.base.as_str());
    // A realm's door leads to nobody else's tenant.
    let page = browser.open(module.authorize_at(&endpoint, &[("tenant", "other")])).await;
    assert_eq!(page.parameter("error").as_deref(), Some("invalid_request"));
    let theirs = other.admin.get(&other.path("connections")).await.first::<Connection>().id;
    browser.open(module.authorize_at(&endpoint, &[("connection", &theirs)])).await.refused("not_found");
    app.stop().await;
}

#[actix_web::test]
async fn prompt_none_asks_nobody_and_public_clients_have_no_secret() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let spa = module(&app, "spa", json!({"public": true})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let mut browser = Browser::default();
    let page = browser.open(spa.authorize(&app, &[("prompt", "none"), ("tenant", "acme")])).await;
    assert_eq!(page.parameter("error").as_deref(), Some("login_required"));
    let page = sign_in(&app, &mut browser, &spa, &acme, "alice").await;
    let code = page.parameter("code").unwrap();
    let tokens: Tokens = spa.redeem_with(&app, &[("code", &code), ("client_secret", "")]).await.found();
    let form = [("grant_type", "refresh_token"), ("client_id", &spa.id), ("refresh_token", tokens.refresh())];
    let renewed: Tokens = app.anyone().form("/oauth2/token", &form).await.found();
    let page = browser.open(spa.authorize(&app, &[("prompt", "none"), ("tenant", "acme")])).await;
    assert!(page.parameter("code").is_some());
    let page = browser.open(spa.authorize(&app, &[("response_mode", "form_post")])).await.expect(200);
    let (action, fields) = page.form();
    assert_eq!(action.as_str(), CALLBACK);
    assert!(fields.iter().any(|(name, _)| name == "code"));
    // It ends its own tokens, by its id.
    let access = renewed.access_token.clone();
    assert_eq!(
        app.anyone().form("/oauth2/revoke", &[("token", &access), ("client_id", &spa.id)]).await.status,
        200
    );
    let info = app.anyone().with(access).get("/oauth2/userinfo").await;
    assert_eq!(info.status, 401);
    // A confidential client can't leave its secret out.
    let confidential = module(&app, "app", json!({})).await;
    let page = browser.open(confidential.authorize(&app, &[])).await;
    let code = page.parameter("code").unwrap();
    let refused = confidential.redeem_with(&app, &[("code", &code), ("client_secret", "")]).await;
    refused.oauth_refused(401, "invalid_client");
    app.stop().await;
}

#[actix_web::test]
async fn signing_out_reaches_every_module() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start();
    let logout = json!({
        "backchannelLogoutUri": format!("{}/bye", receiver.url), "postLogoutRedirectUris": ["https://app.example/bye"],
        "frontchannelLogoutUri": "https://app.example/front",
    });
    let (one, two) = (module(&app, "one", logout).await, module(&app, "two", json!({})).await);
    oidc_connection(&op, &acme, json!({})).await;
    let mut browser = Browser::default();
    let first = tokens(&app, &mut browser, &one, &acme, "alice").await;
    let page = browser.open(two.authorize(&app, &[])).await;
    let second: Tokens = two.redeem(&app, &page.parameter("code").unwrap()).await.found();
    let end = |more: &[(&str, &str)]| {
        url::Url::parse_with_params(&format!("{}/oauth2/logout", app.operator.base), more).unwrap()
    };
    // Without a token the person is asked; nowhere but to a registered address is anybody sent.
    let page = browser.open(end(&[])).await.expect(200);
    assert!(page.text.contains("Sign out?"));
    let hint = first.id().to_owned();
    let evil = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://evil.example/")];
    browser.open(end(&evil)).await.refused("oauth.redirect_refused");
    let other = [("id_token_hint", hint.as_str()), ("client_id", &two.id)];
    browser.open(end(&other)).await.refused("validation.failed");
    let access = first.access_token.clone();
    browser.open(end(&[("id_token_hint", &access)])).await.refused("validation.failed");
    assert!(one.active(&app, &first.access_token).await);

    let good = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", "https://app.example/bye"),
        ("state", "x"),
    ];
    let page = browser.open(end(&good)).await.expect(200);
    assert!(page.plain().contains("https://app.example/front?iss="), "{}", page.text);
    assert!(page.plain().contains("https://app.example/bye?state=x"), "{}", page.text);
    assert!(!one.active(&app, &first.access_token).await);
    assert!(!two.active(&app, &second.access_token).await);
    let notice = receiver.until("a logout token", |one| one.path == "/bye").await;
    let token = String::from_utf8(notice.raw.clone()).unwrap();
    let told = claims(token.strip_prefix("logout_token=").expect("a form"));
    let id = claims(&hint);
    assert_eq!((&told["aud"], &told["sid"], &told["sub"]), (&json!(one.id), &id["sid"], &id["sub"]));
    assert!(
        told["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object()
            && told["nonce"].is_null()
    );
    let page = browser.open(one.authorize(&app, &[("prompt", "none")])).await;
    assert_eq!(page.parameter("error").as_deref(), Some("login_required"));
    app.stop().await;
    receiver.stop().await;
}

#[actix_web::test]
async fn who_is_deactivated_is_out_everywhere_at_once() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start();
    let module = module(&app, "app", json!({"backchannelLogoutUri": format!("{}/bye", receiver.url)})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let body = json!({"userName": "alice@corp.example", "externalId": "alice"});
    let user = acme.scim.post("/scim/v2/Users", body).await.created_id();
    let mut browser = Browser::default();
    let tokens = tokens(&app, &mut browser, &module, &acme, "alice").await;
    assert_eq!(claims(tokens.id())["sub"], user);
    // In the middle: a code is out, a session open, a token fresh.
    let page = browser.open(module.authorize(&app, &[])).await;
    let code = page.parameter("code").unwrap();
    let off = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
    let one = format!("/scim/v2/Users/{user}");
    acme.scim.patch(&one, off).await.expect(200);
    assert!(!module.active(&app, &tokens.access_token).await);
    module.refresh(&app, tokens.refresh()).await.oauth_refused(400, "invalid_grant");
    module.redeem(&app, &code).await.oauth_refused(400, "invalid_grant");
    app.anyone()
        .with(tokens.access_token.clone())
        .get("/oauth2/userinfo")
        .await
        .oauth_refused(401, "invalid_token");
    let page = browser.open(module.authorize(&app, &[("prompt", "none"), ("tenant", "acme")])).await;
    assert_eq!(page.parameter("error").as_deref(), Some("login_required"));
    sign_in(&app, &mut Browser::default(), &module, &acme, "alice").await.refused("user.deactivated");
    receiver.until("a logout token", |one| one.path == "/bye").await;
    app.stop().await;
    receiver.stop().await;
}

#[actix_web::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let receiver = Receiver::start();
    let endpoint = json!({"url": format!("{}/caep", receiver.url), "format": "set"});
    let endpoint = app.operator.post("/api/v1/webhook-endpoints", endpoint).await.created_id();
    let mut all = Vec::new();
    for person in ["alice", "alice", "bob", "carol"] {
        all.push(tokens(&app, &mut Browser::default(), &module, &acme, person).await);
    }
    let access = |at: usize| all[at].access_token.clone();
    let base = "/api/v1/tenants/acme";
    let list: Vec<Session> = acme.admin.get(&format!("{base}/sessions")).await.items();
    assert_eq!(list.len(), 4);
    assert_eq!((list[0].live, list[0].user_agent.as_deref()), (true, Some("test browser")));
    let alice = claims(&access(0))["sub"].as_str().unwrap().to_owned();
    let hers: Vec<Session> = acme.admin.get(&format!("{base}/sessions?userId={alice}")).await.items();
    assert_eq!(hers.len(), 2);
    let newest = &hers[0].id;
    assert_eq!(acme.admin.delete(&format!("{base}/sessions/{newest}")).await.status, 204);
    assert!(module.active(&app, &access(0)).await && !module.active(&app, &access(1)).await);
    assert_eq!(acme.admin.delete(&format!("{base}/users/{alice}/sessions")).await.status, 204);
    assert!(!module.active(&app, &access(0)).await && module.active(&app, &access(2)).await);
    assert_eq!(acme.admin.delete(&acme.path("sessions")).await.status, 204);
    assert!(!module.active(&app, &access(2)).await && !module.active(&app, &access(3)).await);
    let ended: Vec<Session> = acme.admin.get(&format!("{base}/sessions")).await.items();
    assert!(ended.iter().all(|one| !one.live && one.ended_reason.as_deref() == Some("revoked")));
    // Receivers of security events hear it as CAEP's session-revoked: of one session, of a person, of an organization.
    let caep = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    let keys = app.anyone().get("/oauth2/jwks").await.expect(200);
    let told = eventually("three tokens", async || {
        let told: Vec<Value> = receiver
            .all()
            .iter()
            .map(|one| one.security_event(&keys, &endpoint))
            .filter(|claims| !claims["events"][caep].is_null())
            .collect();
        (told.len() >= 3).then_some(told)
    })
    .await;
    let person = json!({"format": "iss_sub", "iss": app.operator.base, "sub": alice});
    let named = |name: &str| told.iter().filter(|claims| !claims["sub_id"][name].is_null()).count();
    assert!(told.iter().all(|claims| claims["sub_id"]["tenant"]["id"] == acme.id.as_str()
        && claims["events"][caep]["initiating_entity"] == "admin"));
    assert_eq!(told.iter().filter(|claims| claims["sub_id"]["user"] == person).count(), 2, "{told:?}");
    assert_eq!(named("session"), 1, "{told:?}");
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn the_sign_in_page_finds_where_somebody_belongs() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    prove_domain(&app, &acme, "corp.example").await;
    let mut browser = Browser::default();
    // Nothing says where: the page asks for an address, and the proven domain knows.
    let page = browser.open(module.authorize(&app, &[])).await.expect(200);
    assert!(page.text.contains("Your work e-mail address"));
    let again = browser.submit(&page, &[("email", "nobody")]).await.expect(200);
    assert!(again.text.contains("not a valid e-mail address"), "{}", again.text);
    let page = browser.submit(&page, &[("email", "Alice@Corp.Example")]).await;
    let page = browser.at_oidc_provider(page, "alice").await;
    assert_eq!(page.parameter("state").as_deref(), Some("st4te"));
    // By a hint of the module, the same without a page.
    for hint in [("login_hint", "alice@corp.example"), ("domain_hint", "corp.example")] {
        let page = Browser::default().open(module.authorize(&app, &[hint])).await;
        assert!(page.url.as_str().starts_with(&op.issuer()), "{}", page.url);
    }
    // Next time this browser is offered where it was.
    app.anyone().get("/oauth2/logout").await;
    browser.forget("http://127.0.0.1:1");
    let mut fresh = browser.clone();
    let signed_in = fresh.open(format!("{}/login", app.operator.base)).await.expect(200);
    assert!(signed_in.text.contains("You are signed in to acme"));
    // An address that no proven domain knows: the page says nothing, the mail does.
    let guest = json!({"userName": "guest", "emails": [{"value": "guest@elsewhere.example"}]});
    acme.scim.post("/scim/v2/Users", guest).await.expect(201);
    let page = Browser::default().open(module.authorize(&app, &[])).await.expect(200);
    let mut guest = Browser::default();
    let known = guest.submit(&page, &[("email", "guest@elsewhere.example")]).await.expect(200);
    let unknown = guest.submit(&page, &[("email", "ghost@elsewhere.example")]).await.expect(200);
    assert_eq!(known.text.replace("guest@", "x@"), unknown.text.replace("ghost@", "x@"));
    let mail = app.mail("the link's mail", |mail| mail.template == "sign-in-link").await;
    let page = guest.open(mail.links[0].replace("&amp;", "&")).await;
    assert!(page.url.as_str().starts_with(&op.issuer()), "{} {}", page.url, page.text);
    // Several connections: the person chooses.
    oidc_connection(&op, &acme, json!({"name": "Second door"})).await;
    let page = Browser::default().open(module.authorize(&app, &[("tenant", "acme")])).await.expect(200);
    assert!(page.text.contains("Second door") && page.text.contains("Sign in to acme"));
    app.stop().await;
}

#[actix_web::test]
async fn domains_are_proven_by_dns_for_one_tenant() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let claim = |name: &str| json!({"domain": name});
    for bad in ["gmail.com", "localhost", "127.0.0.1", "a b", "corp_example.com", ""] {
        acme.admin.post(&acme.path("domains"), claim(bad)).await.refused(400, "validation.failed");
    }
    let made: Domain = acme.admin.post(&acme.path("domains"), claim("Corp.Example.")).await.created();
    assert_eq!((made.domain.as_str(), made.status.as_str()), ("corp.example", "pending"));
    assert_eq!(made.record_name, "_tenantry-challenge.corp.example");
    acme.admin.post(&acme.path("domains"), claim("corp.example")).await.refused(409, "domain.exists");
    let verify = acme.path(&format!("domains/{}/verify", made.id));
    let refused = acme.admin.post(&verify, json!({})).await.refused(409, "domain.unproven");
    assert_eq!(*refused.fact("recordValue"), made.record_value);
    app.dns.set("_tenantry-challenge.corp.example", "something else");
    acme.admin.post(&verify, json!({})).await.refused(409, "domain.unproven");
    prove_domain(&app, &other, "corp.example").await;
    // Two tenants show a record for one domain: who proved it first holds it.
    app.dns.set("_tenantry-challenge.corp.example", &made.record_value);
    acme.admin.post(&verify, json!({})).await.refused(409, "domain.taken");
    // The record is gone: a look finds it out, and the domain is free.
    let theirs: Domain = other.admin.get(&other.path("domains")).await.first();
    let again = other.path(&format!("domains/{}/verify", theirs.id));
    other.admin.post(&again, json!({})).await.refused(409, "domain.unproven");
    assert_eq!(acme.admin.post(&verify, json!({})).await.found::<Domain>().status, "verified");
    assert_eq!(app.audit("domain.lapse").await.len(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn what_ends_soon_is_told() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro", "owner": {"email": "it@acme.example", "name": "IT"}})).await;
    let soon = app.clock.now() + chrono::TimeDelta::days(6);
    let body = json!({
        "type": "oidc", "name": "Corp", "issuer": "https://idp.example", "clientId": "c", "clientSecret": "s",
        "clientSecretExpiresAt": soon,
    });
    connect(&acme, body).await;
    assert_eq!(connections::warn(&app.running.service).await.unwrap(), 1);
    assert_eq!(connections::warn(&app.running.service).await.unwrap(), 0);
    let mail = app.mail("the warning", |mail| mail.template == "connection-expiring").await;
    assert_eq!(mail.recipient, "it@acme.example");
    app.clock.advance(chrono::TimeDelta::days(5));
    assert_eq!(connections::warn(&app.running.service).await.unwrap(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn metadata_tells_the_truth() {
    let app = TestApp::start().await;
    let metadata = app.anyone().get("/.well-known/openid-configuration").await.expect(200);
    for name in [
        "authorization_endpoint",
        "userinfo_endpoint",
        "end_session_endpoint",
        "jwks_uri",
        "pushed_authorization_request_endpoint",
    ] {
        let reply = Reply::read(app.anyone().request(reqwest::Method::GET, &text(&metadata, name))).await;
        assert!(reply.status != 404 && !reply.status.is_server_error(), "{name}: {}", reply.status);
    }
    app.stop().await;
}
