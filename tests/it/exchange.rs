//! A token of a registered issuer, or a gateway's word, becomes a session of ours.

mod tenants;

use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{AuditEvent, Exchanged, Introspection, Issuer, OidcProvider, Reply, TestApp, Tokens};

async fn world() -> (TestApp, Issuer) {
    let app = TestApp::start().await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    (app, issuer)
}

/// An exchange that goes well.
async fn exchanged(app: &TestApp, token: &str) -> Exchanged {
    app.operator.exchange(token).await.found()
}

#[actix_web::test]
async fn an_identity_becomes_a_token_that_names_the_tenant() {
    let (app, issuer) = world().await;
    let acme = app.tenant("acme").await;
    let done = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    assert_eq!((done.tenant_id.as_str(), done.tenant_slug.as_str()), (acme.id.as_str(), "acme"));
    assert_eq!((done.token_type.as_str(), done.expires_in, done.redirect_url.as_str()), ("Bearer", 300, "/"));
    assert_eq!(done.user.email.as_deref(), Some("ann@example.com"));
    let again = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    assert_eq!(again.user.id, done.user.id, "found by issuer and subject");
    let token = done.token.as_str();
    let claims = app.operator.introspect(token).await;
    assert_eq!(
        (claims.active, claims.tenant_id.as_ref(), claims.plan.as_deref()),
        (true, Some(&acme.id), Some("pro"))
    );
    assert_eq!(claims.iss.as_ref(), Some(&app.operator.base));
    let keys = app.anyone().get("/oauth2/jwks").await.expect(200);
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(keys["keys"][0]["kid"].as_str(), header.kid.as_deref());
    assert!(keys["keys"][0].get("d").is_none());
    let jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&[&app.operator.base]);
    validation.set_issuer(&[&app.operator.base]);
    jsonwebtoken::decode::<Value>(token, &jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap(), &validation)
        .expect("a module can verify it");
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_realm_tenant_has_its_own_issuer_and_keys() {
    let (app, issuer) = world().await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"kind": "realm", "externalId": "org_acme"}})).await;
    let done = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    assert_eq!(app.audit("session.open").await.len(), 1, "also where the key was not at hand");
    let claims = app.operator.introspect(&done.token).await;
    assert_eq!(claims.iss, Some(format!("{}/realms/acme", app.operator.base)));
    let metadata = app.anyone().get("/realms/acme/.well-known/openid-configuration").await.expect(200);
    assert_eq!(metadata["issuer"].as_str(), claims.iss.as_deref());
    let realm = app.anyone().get(metadata["jwks_uri"].as_str().unwrap()).await.expect(200);
    let platform = app.anyone().get("/oauth2/jwks").await.expect(200);
    let kid = jsonwebtoken::decode_header(&done.token).unwrap().kid.unwrap();
    assert_eq!(realm["keys"][0]["kid"], kid.as_str());
    assert!(!platform["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid.as_str()));
    assert_eq!(app.anyone().get("/realms/nobody/oauth2/jwks").await.status, 404);
    // A replica that has never signed for the tenant.
    let (second, other) = app.replica().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", done.refresh_token.as_str())];
    let fresh: Tokens = second.anonymous().form("/oauth2/token", &form).await.found();
    assert_eq!(jsonwebtoken::decode_header(&fresh.access_token).unwrap().kid, Some(kid));
    other.stop().await;
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn every_wrong_token_is_refused() {
    let (app, issuer) = world().await;
    app.tenant("acme").await;
    let good = issuer.claims("ann", "org_acme");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        issuer.sign(&claims)
    };
    let now = good["iat"].as_i64().unwrap();
    let (stranger, _) = (Issuer::start(), ());
    let forged = {
        let mut claims = good.clone();
        claims["iss"] = json!(issuer.url);
        stranger.sign(&claims)
    };
    let none = {
        use base64::Engine as _;
        let encode =
            |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&good))
    };
    let confused = {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = Some("sym".to_owned());
        jsonwebtoken::encode(&header, &good, &jsonwebtoken::EncodingKey::from_secret(b"secret")).unwrap()
    };
    let token = issuer.sign(&good);
    for (what, token, code) in [
        ("expired", with("exp", json!(now - 60)), "sso.token_refused"),
        ("not yet", with("nbf", json!(now + 600)), "sso.token_refused"),
        ("exp as text", with("exp", json!("2099")), "sso.token_refused"),
        ("other audience", with("aud", json!("somebody")), "sso.token_refused"),
        ("two audiences", with("aud", json!(["tenantry-test", "somebody"])), "sso.token_refused"),
        ("other issuer", with("iss", json!("https://nobody.example")), "sso.issuer_unknown"),
        ("empty subject", with("sub", json!("")), "sso.token_refused"),
        ("a subject and a blank", with("sub", json!("ann ")), "sso.token_refused"),
        ("a subject and a no-break space", with("sub", json!("\u{a0}ann")), "sso.token_refused"),
        ("an extension", issuer.sign_demanding("b64", &good), "sso.token_refused"),
        ("stranger's key", forged, "sso.token_refused"),
        ("unknown key", issuer.sign_as("k2", &good), "sso.token_refused"),
        ("no algorithm", none, "sso.token_refused"),
        ("symmetric", confused, "sso.token_refused"),
        ("truncated", token[..token.len() - 3].to_owned(), "sso.token_refused"),
        ("not a token", "x".to_owned(), "sso.token_refused"),
        ("huge", "x".repeat(20_000), "sso.token_refused"),
    ] {
        let refused = app.operator.exchange(&token).await;
        assert_eq!(refused.code().as_deref(), Some(code), "{what}: {}", refused.text);
        assert_eq!(refused.status, 401, "{what}");
    }
    app.operator.exchange(&with("org_id", json!("org_nobody"))).await.refused(404, "sso.tenant_unknown");
    app.operator.exchange(&with("org_id", Value::Null)).await.refused(404, "sso.tenant_unknown");
    app.operator.exchange(&token).await.expect(200);
    assert!(app.audit("sso.exchange").await.iter().any(|event| event.outcome == "denied"));
    stranger.stop().await;
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn unknown_keys_do_not_make_us_hammer_the_issuer() {
    let (app, issuer) = world().await;
    app.tenant("acme").await;
    app.operator.exchange(&issuer.token("ann", "org_acme")).await.expect(200);
    for number in 0..20 {
        let token = issuer.sign_as(&format!("unknown-{number}"), &issuer.claims("ann", "org_acme"));
        app.operator.exchange(&token).await.refused(401, "sso.token_refused");
    }
    assert_eq!(issuer.fetches.load(Ordering::Relaxed), 1);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_person_is_never_found_by_email_alone() {
    let (app, issuer) = world().await;
    let acme = app.tenant("acme").await;
    let victim = acme
        .scim
        .post("/scim/v2/Users", json!({"userName": "mallory@example.com", "externalId": "victim"}))
        .await
        .created_id();
    app.operator.exchange(&issuer.token("mallory", "org_acme")).await.refused(409, "sso.link_required");
    let linked = exchanged(&app, &issuer.token("victim", "org_acme")).await;
    assert_eq!(linked.user.id, victim, "the directory's own name for the person is the proof");
    app.stop().await;
    issuer.stop().await;
}

#[actix_web::test]
async fn deactivation_ends_sessions_and_no_sign_in_brings_the_user_back() {
    let (app, issuer) = world().await;
    let acme = app.tenant("acme").await;
    let ann = acme
        .scim
        .post("/scim/v2/Users", json!({"userName": "ann@example.com", "externalId": "ann"}))
        .await
        .created_id();
    let session = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    let path = format!("/scim/v2/Users/{ann}");
    acme.scim
        .patch(&path, json!({"Operations": [{"op": "replace", "value": {"active": false}}]}))
        .await
        .expect(200);
    let active = app.operator.form("/oauth2/introspect", &[("token", &session.token)]).await.expect(200);
    assert_eq!(active, json!({"active": false}));
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", session.refresh_token.as_str())];
    assert_eq!(app.anyone().form("/oauth2/token", &refresh).await.status, 400);
    app.operator.exchange(&issuer.token("ann", "org_acme")).await.refused(403, "user.deactivated");
    let denied = acme.admin.get("/api/v1/audit-events?action=sso.exchange&outcome=denied").await;
    assert_eq!(
        denied.first::<AuditEvent>().details["code"],
        "user.deactivated",
        "the tenant's admin sees it"
    );
    acme.scim
        .patch(&path, json!({"Operations": [{"op": "replace", "value": {"active": true}}]}))
        .await
        .expect(200);
    let back = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    assert_eq!(back.user.id, ann);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn refresh_tokens_rotate_and_reuse_ends_the_session() {
    let (app, issuer) = world().await;
    app.tenant("acme").await;
    let session = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    let refresh = async |token: &str| {
        app.anyone().form("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    };
    let second: Tokens = refresh(&session.refresh_token).await.found();
    assert_eq!((second.token_type.as_str(), second.expires_in), ("Bearer", 300));
    refresh(&session.refresh_token).await.oauth_refused(400, "invalid_grant");
    assert_eq!(refresh(second.refresh()).await.status, 400, "the whole family is dead");
    let active =
        app.operator.form("/oauth2/introspect", &[("token", &second.access_token)]).await.expect(200);
    assert_eq!(active, json!({"active": false}));
    let session = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    app.anyone().form("/oauth2/revoke", &[("token", &session.refresh_token)]).await.expect(200);
    assert_eq!(refresh(&session.refresh_token).await.status, 400);
    let session = exchanged(&app, &issuer.token("ann", "org_acme")).await;
    app.clock.advance(chrono::TimeDelta::days(8));
    assert_eq!(refresh(&session.refresh_token).await.status, 400, "expired");
    let unsupported = app.anyone().form("/oauth2/token", &[("grant_type", "password")]).await;
    unsupported.oauth_refused(400, "unsupported_grant_type");
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_module_exchanges_by_the_standard_and_only_it_refreshes() {
    let (app, issuer) = world().await;
    app.tenant("acme").await;
    let module = app.operator.module("m", "http://127.0.0.1:9").await;
    let (client, secret) = (module.client_id.as_str(), module.client_secret.as_str());
    let token = issuer.token("ann", "org_acme");
    let mut form = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
    ];
    let anonymous = app.anyone().form("/oauth2/token", &form).await;
    anonymous.oauth_refused(401, "invalid_client");
    let request =
        app.anyone().request(Method::POST, "/oauth2/token").basic_auth(client, Some(secret)).form(&form);
    let done = Reply::read(request).await.expect(200);
    assert_eq!(done["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    // A token for another module is nobody's to ask for, and another's token is as if it weren't there.
    let other = app.operator.module("n", "http://127.0.0.1:8").await;
    let (other, others_secret) = (other.client_id.as_str(), other.client_secret.as_str());
    let by = async |client: &str, secret: &str, path: &str, form: &[(&str, &str)]| {
        let request = app.anyone().request(Method::POST, path).basic_auth(client, Some(secret));
        Reply::read(request.form(form)).await
    };
    for audience in [other, "http://127.0.0.1:8", "nobody"] {
        let theirs = [form.as_slice(), &[("audience", audience)]].concat();
        by(client, secret, "/oauth2/token", &theirs).await.oauth_refused(400, "invalid_target");
    }
    let access = [("token", done["access_token"].as_str().unwrap())];
    assert!(by(client, secret, "/oauth2/introspect", &access).await.found::<Introspection>().active);
    let foreign = by(other, others_secret, "/oauth2/introspect", &access).await.expect(200);
    assert_eq!(foreign, json!({"active": false}));
    let gateway = app.key("gateway", None).await;
    let exchange_for = async |caller: &tests::Client, audience: &str| {
        let token = issuer.token("ann", "org_acme");
        caller.post("/api/internal/sso/exchange", json!({"subjectToken": token, "audience": audience})).await
    };
    exchange_for(&gateway, other).await.expect(200);
    exchange_for(&gateway, "nobody").await.refused(400, "validation.failed");
    exchange_for(&app.key("module", None).await, other).await.refused(400, "validation.failed");
    form.extend([("client_id", client), ("client_secret", "wrong")]);
    assert_eq!(app.anyone().form("/oauth2/token", &form).await.status, 401);
    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", done["refresh_token"].as_str().unwrap())];
    assert_eq!(
        app.anyone().form("/oauth2/token", &refresh).await.status,
        401,
        "another client's refresh token"
    );
    let request =
        app.anyone().request(Method::POST, "/oauth2/token").basic_auth(client, Some(secret)).form(&refresh);
    Reply::read(request).await.expect(200);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn only_a_gateway_is_believed_about_identities() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let (gateway, module) = (app.key("gateway", None).await, app.key("module", None).await);
    let asserted = async |client: &tests::Client| {
        let request = client.request(Method::POST, "/api/internal/sso/exchange").json(&json!({}));
        let request = request
            .header("X-User-ID", "u1")
            .header("X-Org-ID", "org_acme")
            .header("X-User-Email", "u1@example.com")
            .header("X-User-Roles", "contributor");
        Reply::read(request).await
    };
    let done: Exchanged = asserted(&gateway).await.found();
    assert_eq!((done.tenant_slug.as_str(), done.user.role.as_str()), ("acme", "contributor"));
    asserted(&module).await.refused(400, "validation.failed");
    asserted(&app.operator).await.refused(400, "validation.failed");
    // What is too long isn't as good as absent.
    for (header, most, status) in [
        ("X-User-ID", 255, 200),
        ("X-Org-ID", 255, 404),
        ("X-User-Name", 4096, 200),
        ("X-User-Roles", 4096, 200),
    ] {
        for (length, status) in [(most, status), (most + 1, 400)] {
            let headers = [("X-User-ID", "u1"), ("X-Org-ID", "org_acme"), (header, &*"r".repeat(length))];
            let request = gateway.request(Method::POST, "/api/internal/sso/exchange").json(&json!({}));
            let headers =
                headers.into_iter().filter(|(name, value)| *name != header || value.len() == length);
            let reply =
                Reply::read(headers.fold(request, |all, (name, value)| all.header(name, value))).await;
            assert_eq!(reply.status, status, "{header} {length}: {}", reply.text);
            assert_eq!(reply.text.contains(&format!("up to {most} bytes")), status == 400, "{}", reply.text);
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_real_providers_id_token_is_taken() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let provider = OidcProvider::start().await;
    let issuer = provider.issuer();
    app.operator.post("/api/v1/issuers", json!({"issuer": issuer, "audience": "tenantry"})).await.expect(201);
    let token = sign_in(&app, &issuer, "ann@org_acme").await;
    let done = exchanged(&app, &token).await;
    assert_eq!((done.tenant_slug.as_str(), done.user.email.as_deref()), ("acme", Some("ann@corp.example")));
    app.stop().await;
}

/// Walks the provider's login and consent pages as a browser would, and redeems the code.
async fn sign_in(app: &TestApp, issuer: &str, login: &str) -> String {
    let http = &app.operator.http;
    let mut cookies = std::collections::BTreeMap::new();
    let mut url = format!(
        "{issuer}/auth?client_id=tenantry&response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcb&scope=openid%20email%20profile&state=s&nonce=n"
    );
    let mut form: Option<Vec<(&str, &str)>> = None;
    for _ in 0..8 {
        let request = match form.take() {
            Some(form) => http.post(&url).form(&form),
            None => http.get(&url),
        };
        let jar: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header("Cookie", jar.join("; ")).send().await.expect("an answer");
        for cookie in response.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some(location) = response.headers().get("location") {
            let location = location.to_str().unwrap().to_owned();
            if let Some((_, query)) = location.split_once("127.0.0.1:9/cb?") {
                let code =
                    query.split('&').find_map(|pair| pair.strip_prefix("code=")).expect("a code").to_owned();
                let form = [
                    ("grant_type", "authorization_code"),
                    ("code", &code),
                    ("redirect_uri", "http://127.0.0.1:9/cb"),
                ];
                let answer = http
                    .post(format!("{issuer}/token"))
                    .basic_auth("tenantry", Some("tenantry-secret"))
                    .form(&form);
                return Reply::read(answer).await.expect(200)["id_token"]
                    .as_str()
                    .expect("an ID token")
                    .to_owned();
            }
            url = if location.starts_with("http") { location } else { format!("{issuer}{location}") };
            continue;
        }
        let page = response.text().await.expect("a page");
        form = Some(if page.contains("name=\"login\"") {
            vec![("prompt", "login"), ("login", login), ("password", "x")]
        } else {
            vec![("prompt", "consent")]
        });
    }
    panic!("the sign-in did not end");
}
