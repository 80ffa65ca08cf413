//! Tokens of an organization: several, from somewhere only, rotated, expiring; and OAuth 2 clients.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tests::{Receiver, ScimToken, TestApp, Tokens, eventually};

use super::{id, patch, user};

#[actix_web::test]
async fn an_organization_has_several_tokens_each_its_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let tokens = acme.path("scim-tokens");
    let second: ScimToken = acme.admin.post(&tokens, json!({"name": "second"})).await.created();
    let client = app.operator.with(second.token.unwrap());
    assert_eq!(client.get("/scim/v2/Users").await.status, 200);
    let rotated: ScimToken = acme
        .admin
        .post(&format!("{tokens}/{}/rotate", second.id), json!({"overlapSeconds": 60}))
        .await
        .created();
    let new = app.operator.with(rotated.token.unwrap());
    assert_eq!(
        (client.get("/scim/v2/Users").await.status.as_u16(), new.get("/scim/v2/Users").await.status.as_u16()),
        (200, 200),
        "both, for a while"
    );
    app.clock.advance(chrono::TimeDelta::seconds(61));
    eventually("the end of the overlap", async || {
        (client.get("/scim/v2/Users").await.status == 401).then_some(())
    })
    .await;
    assert_eq!(new.get("/scim/v2/Users").await.status, 200);
    let listed: Vec<Value> = acme.admin.get(&tokens).await.items();
    assert!(listed.iter().all(|one| one.get("token").is_none()));
    // Wrong, unknown and revoked are one answer.
    assert_eq!(acme.admin.delete(&format!("{tokens}/{}", rotated.id)).await.status, 204);
    let mut answers = Vec::new();
    for bearer in [
        new.bearer.clone().unwrap(),
        "nonsense".to_owned(),
        format!("tnt_scim_{}", "A".repeat(60)),
        format!("{}x", new.bearer.clone().unwrap()),
    ] {
        let refused = app.operator.with(bearer).get("/scim/v2/Users").await;
        answers.push((refused.status, refused.text));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    app.stop().await;
}

#[actix_web::test]
async fn a_leaked_token_is_rotated_where_there_is_no_room_for_another_one() {
    let app = TestApp::with(|config| config.section_mut::<scim::Limits>().scim_tokens = 3).await;
    let acme = app.tenant("acme").await;
    let tokens = acme.path("scim-tokens");
    let mut made = Vec::new();
    let full = loop {
        let reply = acme.admin.post(&tokens, json!({"name": "one more"})).await;
        if reply.status != 201 {
            break reply;
        }
        made.push(id(&reply.json()));
    };
    full.refused(403, "quota.exceeded");
    let leaked = made.pop().expect("a token");
    let rotate = async |seconds: u32| {
        let path = format!("{tokens}/{leaked}/rotate");
        acme.admin.post(&path, json!({"overlapSeconds": seconds})).await
    };
    rotate(60).await.refused(403, "quota.exceeded");
    let new = app.operator.with(rotate(0).await.created_token());
    assert_eq!(new.get("/scim/v2/Users").await.status, 200);
    // It makes room once: what has ended already makes none.
    rotate(0).await.refused(403, "quota.exceeded");
    app.stop().await;
}

#[actix_web::test]
async fn a_token_is_good_only_from_where_it_may_come() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let from = async |ranges: Value| {
        app.scim_token(&acme.id, json!({"name": "x", "allowedAddresses": ranges})).await
    };
    assert_eq!(from(json!(["127.0.0.0/8", "10.0.0.0/8"])).await.get("/scim/v2/Users").await.status, 200);
    from(json!(["203.0.113.0/24"])).await.get("/scim/v2/Users").await.scim_refused(401, None);
    let wrong =
        acme.admin.post(&acme.path("scim-tokens"), json!({"name": "x", "allowedAddresses": ["here"]})).await;
    assert_eq!(wrong.refused(400, "validation.failed").pointer(), "/allowedAddresses/0");
    app.stop().await;
}

#[actix_web::test]
async fn a_token_that_ends_is_announced_three_times() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro", "owner": {"email": "owner@example.com", "name": "O"}})).await;
    let end = app.clock.now() + chrono::TimeDelta::days(40);
    app.scim_token(&acme.id, json!({"name": "yearly", "expiresAt": end.to_rfc3339()})).await;
    let service = &app.running.service;
    let mut warned = Vec::new();
    for days in [0, 5, 6, 20, 3, 4, 1, 1] {
        app.clock.advance(chrono::TimeDelta::days(days));
        warned.push(scim::warn(service).await.unwrap());
    }
    assert_eq!(warned, [0, 0, 1, 0, 1, 0, 1, 0]);
    let mails = eventually("the mails", async || {
        let all = app.anyone().mails().await;
        (all.iter().filter(|mail| mail.template == "token-expiring").count() == 3).then_some(all)
    });
    assert!(mails.await.iter().any(|mail| mail.subject.contains("yearly")));
    app.stop().await;
}

#[actix_web::test]
async fn a_client_gets_a_short_token_for_its_secret() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let made: ScimToken = acme
        .admin
        .post(&acme.path("scim-tokens"), json!({"name": "oauth", "kind": "client"}))
        .await
        .created();
    let (client, secret) = (made.client_id.as_deref().unwrap(), made.token.as_deref().unwrap());
    app.operator.with(secret).get("/scim/v2/Users").await.scim_refused(401, None);
    let ask = async |form: &[(&str, &str)]| app.anyone().form("/oauth2/token", form).await;
    let grant = ("grant_type", "client_credentials");
    let good = ask(&[grant, ("client_id", client), ("client_secret", secret), ("scope", "scim")]).await;
    assert_eq!(good.header("cache-control"), "no-store");
    let good: Tokens = good.found();
    assert_eq!(
        (good.token_type.as_str(), good.expires_in, good.scope.as_deref()),
        ("Bearer", 3600, Some("scim"))
    );
    let idp = app.operator.with(good.access_token);
    assert_eq!(idp.post("/scim/v2/Users", json!({"userName": "ann"})).await.status, 201);
    let basic = app
        .anyone()
        .request(reqwest::Method::POST, "/oauth2/token")
        .basic_auth(client, Some(secret))
        .form(&[grant]);
    tests::Reply::read(basic).await.expect(200);
    for (form, status, error) in [
        (vec![grant, ("client_id", client), ("client_secret", "wrong")], 401, "invalid_client"),
        (vec![grant, ("client_id", "nobody"), ("client_secret", secret)], 401, "invalid_client"),
        (vec![grant], 401, "invalid_client"),
        (
            vec![grant, ("client_id", client), ("client_secret", secret), ("scope", "admin")],
            400,
            "invalid_scope",
        ),
    ] {
        ask(&form).await.oauth_refused(status, error);
    }
    app.clock.advance(chrono::TimeDelta::seconds(3601));
    eventually("the token's end", async || (idp.get("/scim/v2/Users").await.status == 401).then_some(()))
        .await;
    let fresh: Tokens = ask(&[grant, ("client_id", client), ("client_secret", secret)]).await.found();
    let fresh = app.operator.with(fresh.access_token);
    assert_eq!(fresh.get("/scim/v2/Users").await.status, 200);
    assert_eq!(acme.admin.delete(&acme.path(&format!("scim-tokens/{client}"))).await.status, 204);
    fresh.get("/scim/v2/Users").await.scim_refused(401, None);
    app.stop().await;
}

#[actix_web::test]
async fn a_client_proves_itself_by_its_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "k1"}]});
    let tokens = acme.path("scim-tokens");
    let private = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": "AA"}]});
    for wrong in [json!({"keys": []}), private, json!({"keys": [{"kty": "oct", "k": "AA"}]})] {
        acme.admin
            .post(&tokens, json!({"name": "x", "kind": "client", "jwks": wrong}))
            .await
            .refused(400, "validation.failed");
    }
    let made =
        acme.admin.post(&tokens, json!({"name": "keys", "kind": "client", "jwks": jwks})).await.expect(201);
    assert!(made.get("token").is_none(), "it has no secret");
    let made: ScimToken = serde_json::from_value(made).unwrap();
    let (client, endpoint) = (made.client_id.unwrap(), made.token_endpoint.unwrap());
    let signed = |claims: Value| {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        encode(&header, &claims, &EncodingKey::from_ec_der(document.as_ref())).unwrap()
    };
    let now = app.clock.now().timestamp();
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({"iss": client, "sub": client, "aud": endpoint, "exp": now + 300, "iat": now, "jti": uuid::Uuid::now_v7()});
        change(&mut claims);
        signed(claims)
    };
    let ask_for = async |scope: &str, assertion: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("scope", scope),
        ];
        app.anyone().form("/oauth2/token", &form).await
    };
    let ask = async |assertion: &str| ask_for("scim", assertion).await;
    let good = claims(&|_| ());
    ask_for("everything", &good).await.oauth_refused(400, "invalid_scope");
    // Refused for something else it isn't used up.
    let token = ask(&good).await.found::<Tokens>().access_token;
    assert_eq!(app.operator.with(token).get("/scim/v2/Users").await.status, 200);
    for (why, assertion) in [
        ("it was used", good.clone()),
        ("another audience", claims(&|claims| claims["aud"] = json!("https://elsewhere"))),
        ("it is over", claims(&|claims| claims["exp"] = json!(now - 120))),
        ("it is good for too long", claims(&|claims| claims["exp"] = json!(now + 86_400))),
        ("another issuer", claims(&|claims| claims["iss"] = json!("mallory"))),
        ("no id", claims(&|claims| claims["jti"] = json!(""))),
        ("not signed", format!("{}.", good.rsplit_once('.').unwrap().0)),
    ] {
        let refused = ask(&assertion).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["error"].as_str()),
            (401, Some("invalid_client")),
            "{why}"
        );
    }
    app.stop().await;
}

#[actix_web::test]
async fn changes_are_told_as_security_event_tokens() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start();
    let endpoint = json!({"url": format!("{}/sets", receiver.url), "format": "set"});
    let endpoint = app.operator.post("/api/v1/webhook-endpoints", endpoint).await.created_id();
    let ann = user(&acme, "ann").await;
    let path = format!("/scim/v2/Users/{ann}");
    acme.scim
        .patch(&path, patch(json!([{"op": "add", "path": "title", "value": "Secret title"}])))
        .await
        .expect(200);
    acme.scim.patch(&path, patch(json!([{"op": "replace", "value": {"active": false}}]))).await.expect(200);
    assert_eq!(acme.scim.delete(&path).await.status, 204);
    let sent = eventually("four tokens", async || {
        let all = receiver.all();
        (all.len() >= 4).then_some(all)
    })
    .await;
    let keys = app.anyone().get("/oauth2/jwks").await.expect(200);
    let mut events = Vec::new();
    for request in &sent {
        let claims = request.security_event(&keys, &endpoint);
        assert_eq!(claims["sub_id"]["uri"], format!("/Users/{ann}"));
        assert!(
            claims["jti"].is_string()
                && claims["iat"].is_i64()
                && claims.get("exp").is_none()
                && claims.get("sub").is_none()
        );
        assert!(!claims.to_string().contains("Secret title"));
        events.push(
            claims["events"]
                .as_object()
                .unwrap()
                .keys()
                .next()
                .unwrap()
                .rsplit("event:")
                .next()
                .unwrap()
                .to_owned(),
        );
    }
    events.sort();
    events.dedup();
    assert_eq!(events, ["prov:create:notice", "prov:deactivate", "prov:delete", "prov:patch:notice"]);
    receiver.stop().await;
    let told = acme.scim.get("/scim/v2/ServiceProviderConfig").await.expect(200);
    assert_eq!(told["securityEvents"]["asyncRequest"], "none");
    let gone = format!("/api/v1/webhook-endpoints/{endpoint}");
    assert_eq!(app.operator.delete(&gone).await.status, 204);
    let told = acme.scim.get("/scim/v2/ServiceProviderConfig").await.expect(200);
    assert!(told.get("securityEvents").is_none(), "nobody listens");
    app.stop().await;
}
