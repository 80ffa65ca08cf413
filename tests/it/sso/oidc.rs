//! Customers' OpenID Providers: npm oidc-provider, unmodified.

use serde_json::{Value, json};
use tests::{Browser, ConnectionTest, Exchanged, OidcProvider, Policy, SignIn, TestApp};

use super::*;

#[actix_web::test]
async fn a_person_signs_in_for_a_module_through_their_own_provider() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    let connection = oidc_connection(&op, &acme, json!({})).await;
    let mut browser = Browser::default();
    let page = sign_in(&app, &mut browser, &module, &acme, "alice").await;
    assert_eq!(page.parameter("state").as_deref(), Some("st4te"));
    assert_eq!(page.parameter("iss").as_deref(), Some(app.operator.base.as_str()));
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").unwrap()).await.found();
    let (id, access) = (claims(tokens.id()), claims(&tokens.access_token));
    assert_eq!((&id["nonce"], &id["aud"]), (&json!("n0nce"), &json!(module.id)));
    assert_eq!((&id["tenant_id"], &id["email"]), (&json!(acme.id), &json!("alice@corp.example")));
    // Nobody has proven that the address is Acme's.
    assert_eq!(id["email_verified"], false);
    assert_eq!((&access["sub"], &access["sid"]), (&id["sub"], &id["sid"]));
    let info = app.anyone().with(tokens.access_token.clone()).get("/oauth2/userinfo").await.expect(200);
    assert_eq!((&info["sub"], &info["name"]), (&id["sub"], &json!("alice")));
    assert!(module.active(&app, &tokens.access_token).await);

    // The person is a user of the tenant, by (connection, subject); the second time it is the same one.
    let users = acme.admin.users("acme").await;
    assert_eq!(users.len(), 1);
    assert_eq!((users[0].source.as_str(), users[0].role.as_str()), ("jit", "viewer"));
    let again = super::tokens(&app, &mut Browser::default(), &module, &acme, "alice").await;
    assert_eq!(claims(again.id())["sub"], id["sub"]);
    // In the same browser nobody is asked again, for this module or another one.
    let other = super::module(&app, "other", json!({})).await;
    let page = browser.open(other.authorize(&app, &[])).await;
    assert!(page.parameter("code").is_some(), "{}", page.url);
    let page = browser.open(other.authorize(&app, &[("prompt", "login")])).await;
    assert!(
        page.url.as_str().starts_with(CALLBACK) || page.url.as_str().starts_with(&op.issuer()),
        "{}",
        page.url
    );

    // The trace tells it, without saying what the person is called.
    let whole = acme.admin.get("/api/v1/tenants/acme/sign-ins").await.items::<Value>().pop().unwrap();
    let first: SignIn = serde_json::from_value(whole.clone()).unwrap();
    assert_eq!((first.status.as_str(), first.connection_id), ("succeeded", connection.id));
    let steps: Vec<&str> = first.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["begin", "provider.believed", "session.opened"]);
    assert!(!whole.to_string().contains("alice"));
    app.stop().await;
}

#[actix_web::test]
async fn refresh_rotates_and_a_code_is_used_once() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let mut browser = Browser::default();
    let page = sign_in(&app, &mut browser, &module, &acme, "alice").await;
    let code = page.parameter("code").unwrap();
    // Wrong in one thing: refused, and the code is used up with it.
    let wrong: [&[(&str, &str)]; 3] = [
        &[("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX")],
        &[("redirect_uri", "https://app.example/cb2")],
        &[("code_verifier", "")],
    ];
    for change in wrong {
        let page = browser.open(module.authorize(&app, &[])).await;
        let code = page.parameter("code").unwrap();
        let with: Vec<(&str, &str)> = change.iter().copied().chain([("code", code.as_str())]).collect();
        let refused = module.redeem_with(&app, &with).await.expect(400);
        assert!(matches!(refused["error"].as_str(), Some("invalid_grant" | "invalid_request")), "{refused}");
    }
    // Another client's code.
    let other = super::module(&app, "other", json!({})).await;
    let page = browser.open(module.authorize(&app, &[])).await;
    other.redeem(&app, &page.parameter("code").unwrap()).await.oauth_refused(400, "invalid_grant");

    let tokens: Tokens = module.redeem(&app, &code).await.found();
    let first = tokens.refresh().to_owned();
    let second: Tokens = module.refresh(&app, &first).await.found();
    assert!(second.id_token.is_some());
    assert_ne!(second.refresh(), first);
    // Somebody has a copy: the family dies, the access token with it.
    module.refresh(&app, &first).await.oauth_refused(400, "invalid_grant");
    module.refresh(&app, second.refresh()).await.oauth_refused(400, "invalid_grant");
    assert!(!module.active(&app, &second.access_token).await);

    // A code that comes twice ends what its first use began.
    let page = browser.open(module.authorize(&app, &[])).await;
    let code = page.parameter("code").unwrap();
    let tokens: Tokens = module.redeem(&app, &code).await.found();
    module.redeem(&app, &code).await.oauth_refused(400, "invalid_grant");
    assert!(!module.active(&app, &tokens.access_token).await);
    app.stop().await;
}

#[actix_web::test]
async fn an_account_is_joined_only_with_proof() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    // Alice was invited before her company had a connection.
    acme.invite("alice@corp.example", "admin").await;
    app.accept_invitation("alice@corp.example").await;
    let alice = json!(acme.admin.users("acme").await[0].id);

    // Somebody at the provider says Alice's address: without her mail that leads nowhere.
    let mut mallory = Browser::default();
    let page = sign_in(&app, &mut mallory, &module, &acme, "alice!unverified").await;
    assert!(page.text.contains("Is this account yours?"), "{}", page.text);
    for _ in 0..4 {
        let wrong = mallory.submit(&page, &[("code", "000000")]).await;
        assert_eq!(wrong.status, 403);
    }
    mallory.submit(&page, &[("code", "000000")]).await.refused("sso.proof_wrong");
    mallory.submit(&page, &[("code", "000000")]).await.refused("sso.state_unknown");

    // Alice reads her mail.
    let mut browser = Browser::default();
    let page = sign_in(&app, &mut browser, &module, &acme, "alice").await;
    let code = app.mail("the proof's mail", |mail| mail.template == "account-proof").await.code();
    // Her code counts in her browser only.
    let mut thief = Browser::default();
    thief.submit(&page, &[("code", &code)]).await.refused("sso.browser_other");
    let page = browser.submit(&page, &[("code", &code)]).await;
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").expect("a code")).await.found();
    let id = claims(tokens.id());
    assert_eq!((&id["sub"], &id["roles"]), (&alice, &json!(["admin"])));
    // From now on she is known.
    let again = super::tokens(&app, &mut Browser::default(), &module, &acme, "alice").await;
    assert_eq!(claims(again.id())["sub"], alice);
    app.stop().await;
}

#[actix_web::test]
async fn an_address_in_a_proven_domain_finds_its_account() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let (acme, evil) = (app.tenant("acme").await, app.tenant("evil").await);
    let module = module(&app, "app", json!({})).await;
    for tenant in [&acme, &evil] {
        oidc_connection(&op, tenant, json!({})).await;
        let body = json!({"userName": "alice@corp.example", "emails": [{"value": "alice@corp.example"}]});
        tenant.scim.post("/scim/v2/Users", body).await.expect(201);
    }
    prove_domain(&app, &acme, "corp.example").await;
    let tokens = super::tokens(&app, &mut Browser::default(), &module, &acme, "alice").await;
    let id = claims(tokens.id());
    assert_eq!((&id["email_verified"], &id["tenant_id"]), (&json!(true), &json!(acme.id)));
    assert_eq!(acme.admin.users("acme").await.len(), 1);
    // The provider comes with her address under another subject: addresses change hands, her account doesn't.
    let page = sign_in(&app, &mut Browser::default(), &module, &acme, "alice!unverified").await;
    page.refused("sso.subject_other");
    // Evil's provider says an address of Acme's domain: Evil has proven nothing.
    let page = sign_in(&app, &mut Browser::default(), &module, &evil, "alice").await;
    assert!(page.text.contains("Is this account yours?"), "{}", page.text);
    app.stop().await;
}

#[actix_web::test]
async fn the_policy_decides_who_comes_in() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    let connection =
        oidc_connection(&op, &acme, json!({"scopes": ["openid", "email", "profile", "groups"]})).await;
    let policy = acme.path("sso-policy");
    let defaults: Policy = acme.admin.get(&policy).await.found();
    assert_eq!((defaults.enforced, defaults.jit_provisioning), (false, true));

    acme.admin.put(&policy, json!({"jitProvisioning": false})).await.expect(200);
    let page =
        sign_in(&app, &mut Browser::default(), &module, &acme, "alice").await.refused("sso.not_provisioned");
    // The code on the page leads support to the reason.
    let code = page.code().expect("a code");
    let found = app.operator.sign_in(&code).await;
    assert_eq!(found.reason.as_deref(), Some("sign_in.not_provisioned"));
    assert_eq!(found.responsible_party.as_deref(), Some("tenant_admin"));
    assert!(found.advice.unwrap().contains("jitProvisioning"));

    acme.admin.put(&policy, json!({"allowedDomains": ["other.example"]})).await.expect(200);
    sign_in(&app, &mut Browser::default(), &module, &acme, "alice").await.refused("sso.domain_refused");

    let roles = json!({"allowedDomains": ["Corp.Example"], "defaultRole": "guest", "groupRoles": [{"group": "admins", "role": "admin"}]});
    acme.admin.put(&policy, roles).await.expect(200);
    let alice = super::tokens(&app, &mut Browser::default(), &module, &acme, "alice").await;
    assert_eq!(claims(alice.id())["roles"], json!(["guest"]));
    let boss = super::tokens(&app, &mut Browser::default(), &module, &acme, "boss").await;
    assert_eq!(claims(boss.id())["roles"], json!(["admin"]));

    // Enforcement reaches what began before it.
    acme.admin.patch(&policy, json!({"enforced": true, "connectionId": connection.id})).await.expect(200);
    assert!(module.active(&app, &alice.access_token).await);
    let issuer = tests::Issuer::start();
    issuer.register(&app.operator).await;
    let gateway = app.key("gateway", None).await;
    let token = issuer.token("carol", "org_acme");
    gateway.exchange(&token).await.refused(403, "sso.enforced");
    acme.admin.patch(&policy, json!({"enforced": false, "allowedDomains": []})).await.expect(200);
    let carol: Exchanged = gateway.exchange(&token).await.found();
    acme.admin.patch(&policy, json!({"enforced": true})).await.expect(200);
    let form = [("grant_type", "refresh_token"), ("refresh_token", carol.refresh_token.as_str())];
    app.anyone().form("/oauth2/token", &form).await.oauth_refused(400, "invalid_grant");
    assert!(!module.active(&app, &carol.token).await);

    // A disabled connection is over everywhere.
    acme.admin.patch(&policy, json!({"enforced": false, "connectionId": null})).await.expect(200);
    let one = acme.path(&format!("connections/{}", connection.id));
    acme.admin.patch(&one, json!({"enabled": false})).await.expect(200);
    assert!(!module.active(&app, &alice.access_token).await);
    module.refresh(&app, alice.refresh()).await.oauth_refused(400, "invalid_grant");
    app.stop().await;
    issuer.stop().await;
}

#[actix_web::test]
async fn an_id_token_of_a_connection_is_exchanged_for_its_own_tenant() {
    let app = TestApp::start().await;
    let (acme, evil) = (app.tenant("acme").await, app.tenant("evil").await);
    let issuer = tests::Issuer::start();
    let body = json!({"type": "oidc", "name": "Corp", "issuer": issuer.url, "clientId": "acme-client"});
    let connection = connect(&acme, body.clone()).await;
    let gateway = app.key("gateway", None).await;
    let token = |audience: &str| {
        let mut claims = issuer.claims("alice", "org_evil");
        claims["aud"] = json!(audience);
        issuer.sign(&claims)
    };
    // What the token says about organizations counts for nothing: whose connection it is decides.
    let done: Exchanged = gateway.exchange(&token("acme-client")).await.found();
    assert_eq!(done.tenant_id, acme.id);
    gateway.exchange(&token("another")).await.refused(401, "sso.token_refused");
    // Evil copies Acme's issuer and client id: that changes nothing.
    connect(&evil, body).await;
    let again: Exchanged = gateway.exchange(&token("acme-client")).await.found();
    assert_eq!(again.user.id, done.user.id);
    let one = acme.path(&format!("connections/{}", connection.id));
    acme.admin.patch(&one, json!({"enabled": false})).await.expect(200);
    gateway.exchange(&token("acme-client")).await.refused(403, "connection.disabled");
    app.stop().await;
    issuer.stop().await;
}

#[actix_web::test]
async fn a_test_walks_a_real_sign_in_and_keeps_nothing() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let connection = oidc_connection(&op, &acme, json!({})).await;
    let test = acme.path(&format!("connections/{}/test", connection.id));
    let result: ConnectionTest = acme.admin.post(&test, json!({})).await.found();
    assert_eq!((result.ok, result.status.as_str()), (true, "active"));
    let mut browser = Browser::default();
    let page = browser.open(&result.test_url).await;
    let page = browser.at_oidc_provider(page, "alice").await.expect(200);
    assert!(page.text.contains("The test succeeded") && page.text.contains("alice@corp.example"));
    assert!(browser.cookie(&app.operator.base, "tnt_session").is_none());
    assert!(acme.admin.users("acme").await.is_empty());
    let one = acme.path(&format!("connections/{}", connection.id));
    assert!(acme.admin.get(&one).await.found::<Connection>().tested_at.is_some());
    // The link is for this connection, and can't be made up.
    let forged = result.test_url.replace("key=", "key=AAAA");
    Browser::default().open(forged).await.refused("not_found");

    // A provider that isn't there is told, here and in the trace.
    let dead = json!({"issuer": "http://127.0.0.1:9", "clientSecret": "another"});
    acme.admin.patch(&one, dead).await.expect(200);
    let result: ConnectionTest = acme.admin.post(&test, json!({})).await.found();
    assert_eq!((result.ok, result.reason.as_deref()), (false, Some("oidc.discovery_failed")));
    let page = Browser::default().open(&result.test_url).await.refused("connection.provider_unreachable");
    let found = acme.admin.get(&format!("/api/v1/tenants/acme/sign-ins?code={}", page.code().unwrap())).await;
    assert_eq!(found.first::<SignIn>().reason.as_deref(), Some("oidc.discovery_failed"));
    app.stop().await;
}

#[actix_web::test]
async fn an_admin_who_signed_in_manages_their_own_tenant() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    oidc_connection(&op, &acme, json!({"scopes": ["openid", "email", "profile", "groups"]})).await;
    let roles = json!({"groupRoles": [{"group": "admins", "role": "admin"}]});
    acme.admin.put(&acme.path("sso-policy"), roles).await.expect(200);
    let come_in = async |person: &str| {
        let mut browser = Browser::default();
        let page = browser.open(format!("{}/login?tenant=acme", app.operator.base)).await;
        browser.at_oidc_provider(page, person).await.expect(200);
        browser.cookie(&app.operator.base, "tnt_session").unwrap()
    };
    let call = |cookie: &str, method: reqwest::Method, path: &str, origin: &str| {
        let request = app.anyone().request(method, path).header("cookie", format!("tnt_session={cookie}"));
        tests::Reply::read(request.header("origin", origin).json(&json!({"name": "Renamed"})))
    };
    let (get, patch) = (reqwest::Method::GET, reqwest::Method::PATCH);
    let (ours, base) = ("/api/v1/tenants/acme", app.operator.base.clone());
    let (boss, alice) = (come_in("boss").await, come_in("alice").await);
    call(&boss, get.clone(), ours, "").await.expect(200);
    call(&boss, patch.clone(), ours, &base).await.expect(200);
    call(&boss, patch.clone(), ours, "https://evil.example").await.refused(403, "auth.insufficient");
    call(&boss, get.clone(), &format!("/api/v1/tenants/{}", other.slug), "").await.refused(404, "not_found");
    call(&boss, get.clone(), "/api/v1/plans", "").await.refused(403, "auth.insufficient");
    call(&alice, get.clone(), ours, "").await.expect(200);
    call(&alice, patch.clone(), ours, &base).await.refused(403, "auth.insufficient");
    let renamed = app.audit("tenant.update").await;
    assert_eq!(renamed[0].actor.kind, "user");
    // Signed out everywhere: out here too.
    acme.admin.delete(&acme.path("sessions")).await;
    call(&boss, get, ours, "").await.refused(401, "auth.invalid");
    app.stop().await;
}

#[actix_web::test]
async fn signing_out_goes_on_to_the_provider_and_comes_back() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({"postLogoutRedirectUris": ["https://app.example/bye"]})).await;
    let connection = oidc_connection(&op, &acme, json!({"signOutUpstream": true})).await;
    let mut browser = Browser::default();
    let tokens = tokens(&app, &mut browser, &module, &acme, "alice").await;
    let hint = tokens.id().to_owned();
    let more = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", "https://app.example/bye"),
        ("state", "x"),
    ];
    let end = url::Url::parse_with_params(&format!("{}/oauth2/logout", app.operator.base), more).unwrap();
    let page = browser.open(&end).await.expect(200);
    assert!(page.url.as_str().starts_with(&op.issuer()), "{}", page.url);
    let page = browser.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(page.url.as_str(), "https://app.example/bye?state=x", "{}", page.text);
    // Once; and a cookie that isn't ours leads nowhere.
    let back = connection.post_logout_redirect_uri.unwrap();
    let page = browser.open(&back).await.expect(200);
    assert!(page.text.contains("You can close this page"), "{}", page.text);
    let forged = app.anyone().request(reqwest::Method::GET, &back.replace(&app.operator.base, ""));
    let forged = forged.header("cookie", "tnt_afterwards=aHR0cHM6Ly9ldmlsLmV4YW1wbGUv");
    assert!(tests::Reply::read(forged).await.text.contains("You can close this page"));
    // The provider asks again.
    let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await;
    assert!(page.text.contains("value=\"login\""), "{} {}", page.url, page.text);
    app.stop().await;
}

#[actix_web::test]
async fn a_provider_that_hangs_keeps_nobody_signed_in() {
    // Who waits for as long as the outside world may take has no answer within a request's half a minute, and is told 503.
    let app = TestApp::with(|config| config.outbound.timeout = std::time::Duration::from_secs(60)).await;
    let op = OidcProvider::start().await;
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({"signOutUpstream": true})).await;
    let tokens = tokens(&app, &mut Browser::default(), &module, &acme, "alice").await;
    // A replica that knows nothing of the provider yet.
    let (second, other) = app.replica().await;
    op.0.hang();
    let out = second.anonymous().get(&format!("/oauth2/logout?id_token_hint={}", tokens.id())).await;
    assert_eq!(out.status, 200, "{}", out.text);
    let token = tokens.access_token.clone();
    let left = app.operator.form("/oauth2/introspect", &[("token", token.as_str())]).await.expect(200);
    assert_eq!(left, json!({"active": false}));
    other.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn of_an_organization_without_a_connection_the_page_says_so() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let page = Browser::default().open(format!("{}/login?tenant=acme", app.operator.base)).await;
    let page = page.refused("sso.no_way_in");
    let said = ["no way to sign in yet", "Nobody has connected an identity provider"];
    assert!(said.iter().all(|text| page.text.contains(text)), "{}", page.text);
    app.stop().await;
}
