//! Sign-in: how long each thing counts, how much of a token, a key set, a list of groups is looked at.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::{Browser, Exchanged, Issuer, ManagementKey, Page, Reply, ScimToken, Tenant, TestApp, Tokens};

use super::long;
use crate::sso::{CALLBACK, Module, challenge, claims, module, text};

/// A tenant whose provider is played here, and a module.
struct Stage {
    app: TestApp,
    acme: Tenant,
    issuer: Issuer,
    module: Module,
}

impl Stage {
    async fn set() -> Self {
        let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
        let (acme, issuer) = (app.tenant("acme").await, Issuer::start());
        let module = module(&app, "app", json!({})).await;
        acme.connect_to(&issuer).await;
        // Our clock moves and the provider's doesn't.
        issuer.misbehave(|mischief| mischief.claims = Some(Box::new(Self::for_a_day)));
        Self { app, acme, issuer, module }
    }

    fn for_a_day(claims: &mut Value) {
        claims["exp"] = json!(claims["iat"].as_i64().unwrap_or_default() + 24 * 3600);
    }

    async fn go(&self, browser: &mut Browser) -> Page {
        browser.open(self.module.authorize(&self.app, &[("tenant", "acme"), ("prompt", "login")])).await
    }

    async fn stop(self) {
        self.app.stop().await;
        self.issuer.stop().await;
    }
}

#[actix_web::test]
async fn a_subject_token_has_16_kib() {
    let (app, issuer) = (TestApp::start().await, Issuer::start());
    issuer.register(&app.operator).await;
    app.tenant("acme").await;
    let token = |padding: usize| {
        let mut claims = issuer.claims("ann", "org_acme");
        claims["padding"] = json!(long(padding));
        issuer.sign(&claims)
    };
    let most = 16 * 1024;
    let padding =
        (11_000..12_300).rev().find(|padding| token(*padding).len() <= most).expect("one that fits");
    app.operator.exchange(&token(padding)).await.expect(200);
    assert!(token(padding + 2).len() > most);
    let refused = app.operator.exchange(&token(padding + 2)).await.refused(401, "sso.token_refused");
    assert!(refused.detail.contains("too long"), "{refused:?}");
    app.stop().await;
    issuer.stop().await;
}

#[actix_web::test]
async fn a_hundred_keys_of_a_set_are_looked_at() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    for (before, status) in [(99, 200), (100, 401)] {
        let issuer = Issuer::start();
        issuer.register(&app.operator).await;
        let own = Reply::read(app.anyone().request(reqwest::Method::GET, &format!("{}/jwks", issuer.url)));
        let own = own.await.expect(200)["keys"][0].clone();
        let mut keys = vec![json!({"kty": "unknown"}); before];
        keys.push(own);
        issuer.misbehave(|mischief| mischief.keys = Some(json!({"keys": keys})));
        let reply = app.operator.exchange(&issuer.token(&format!("p{before}"), "org_acme")).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        issuer.stop().await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn tokens_live_for_5_minutes_and_a_session_for_30_days() {
    let (app, issuer) = (TestApp::start().await, Issuer::start());
    issuer.register(&app.operator).await;
    app.tenant("acme").await;
    let made: Exchanged = app.operator.exchange(&issuer.token("ann", "org_acme")).await.found();
    let active = async |token: &str| app.operator.introspect(token).await.active;
    let refresh = async |token: &str| {
        app.anyone().form("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    };
    app.clock.advance(TimeDelta::seconds(290));
    assert!(active(&made.token).await);
    app.clock.advance(TimeDelta::seconds(11));
    assert!(!active(&made.token).await);
    // Used every six days it goes on, until the session's 30 days are over.
    let mut token = made.refresh_token;
    for _ in 0..4 {
        app.clock.advance(TimeDelta::days(6));
        token = refresh(&token).await.found::<Tokens>().refresh().to_owned();
    }
    app.clock.advance(TimeDelta::days(6));
    refresh(&token).await.oauth_refused(400, "invalid_grant");
    app.stop().await;
    issuer.stop().await;
}

#[actix_web::test]
async fn a_refresh_token_that_is_not_used_lives_for_7_days() {
    let (app, issuer) = (TestApp::start().await, Issuer::start());
    issuer.register(&app.operator).await;
    app.tenant("acme").await;
    let made: Exchanged = app.operator.exchange(&issuer.token("ann", "org_acme")).await.found();
    let other: Exchanged = app.operator.exchange(&issuer.token("bob", "org_acme")).await.found();
    let refresh = async |token: &str| {
        app.anyone().form("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    };
    app.clock.advance(TimeDelta::days(7) - TimeDelta::minutes(1));
    refresh(&made.refresh_token).await.expect(200);
    app.clock.advance(TimeDelta::minutes(2));
    refresh(&other.refresh_token).await.oauth_refused(400, "invalid_grant");
    app.stop().await;
    issuer.stop().await;
}

#[actix_web::test]
async fn a_pushed_request_is_good_for_90_seconds_and_a_parameter_has_2048_bytes() {
    let stage = Stage::set().await;
    let (app, module) = (&stage.app, &stage.module);
    let challenge = challenge();
    let push = async |state: &str| {
        let form = [
            ("client_id", module.id.as_str()),
            ("client_secret", module.secret.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("tenant", "acme"),
        ];
        app.anyone().form("/oauth2/par", &form).await
    };
    assert_eq!(push(&long(2_049)).await.status, 400);
    for (seconds, good) in [(89, true), (91, false)] {
        let pushed = push(&long(2_048)).await.expect(201);
        assert_eq!(pushed["expires_in"], 90);
        let uri = text(&pushed, "request_uri");
        app.clock.advance(TimeDelta::seconds(seconds));
        let endpoint = format!("{}/oauth2/authorize", app.operator.base);
        let url = url::Url::parse_with_params(&endpoint, [("client_id", &module.id), ("request_uri", &uri)]);
        let page = Browser::default().open(url.unwrap()).await;
        assert_eq!(page.parameter("code").is_some(), good, "{seconds}: {} {}", page.url, page.text);
    }
    stage.stop().await;
}

#[actix_web::test]
async fn a_sign_in_has_ten_minutes_and_its_code_60_seconds() {
    let stage = Stage::set().await;
    for (seconds, status) in [(59, 200), (61, 400)] {
        let code = stage.go(&mut Browser::default()).await.parameter("code").expect("a code");
        stage.app.clock.advance(TimeDelta::seconds(seconds));
        let reply = stage.module.redeem(&stage.app, &code).await;
        assert_eq!(reply.status, status, "{seconds}: {}", reply.text);
    }
    for (seconds, good) in [(9 * 60 + 50, true), (10 * 60 + 10, false)] {
        let mut browser = Browser::default();
        // It waits on the provider's page.
        browser.stops.push(format!("{}/authorize", stage.issuer.url));
        let page = stage.go(&mut browser).await;
        stage.app.clock.advance(TimeDelta::seconds(seconds));
        browser.stops.pop();
        let page = browser.open(page.url.as_str()).await;
        assert_eq!(page.url.as_str().starts_with(CALLBACK), good, "{seconds}: {} {}", page.url, page.text);
    }
    stage.stop().await;
}

#[actix_web::test]
async fn a_mailed_proof_counts_for_15_minutes() {
    let stage = Stage::set().await;
    let (app, acme) = (&stage.app, &stage.acme);
    for (person, minutes, good) in [("alice", 14, true), ("bob", 16, false)] {
        let address = format!("{person}@corp.example");
        let body = json!({"userName": address, "emails": [{"value": address}]});
        acme.scim.post("/scim/v2/Users", body).await.expect(201);
        let (subject, mail) = (person.to_owned(), address.clone());
        stage.issuer.misbehave(|mischief| {
            mischief.claims = Some(Box::new(move |claims| {
                Stage::for_a_day(claims);
                claims["sub"] = json!(subject);
                claims["email"] = json!(mail);
            }));
        });
        let mut browser = Browser::default();
        let page = stage.go(&mut browser).await;
        let code = app.mailed_code(&address).await;
        app.clock.advance(TimeDelta::minutes(minutes));
        let page = browser.submit(&page, &[("code", &code)]).await;
        assert_eq!(page.parameter("code").is_some(), good, "{minutes}: {} {}", page.url, page.text);
    }
    stage.stop().await;
}

#[actix_web::test]
async fn a_thousand_groups_of_a_person_count() {
    let stage = Stage::set().await;
    let (app, acme) = (&stage.app, &stage.acme);
    let roles = json!({"defaultRole": "guest", "groupRoles": [
        {"group": "g1000", "role": "contributor"}, {"group": "g1001", "role": "admin"}]});
    acme.admin.put(&acme.path("sso-policy"), roles).await.expect(200);
    let groups: Vec<String> = (1..=1_001).map(|at| format!("g{at}")).collect();
    stage.issuer.misbehave(|mischief| {
        mischief.claims = Some(Box::new(move |claims| {
            Stage::for_a_day(claims);
            claims["groups"] = json!(groups);
        }));
    });
    let code = stage.go(&mut Browser::default()).await.parameter("code").expect("a code");
    let tokens: Tokens = stage.module.redeem(app, &code).await.found();
    assert_eq!(claims(tokens.id())["roles"], json!(["contributor"]));
    stage.stop().await;
}

#[actix_web::test]
async fn a_provider_has_ten_certificates() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pem = tests::saml::shared_pair("idp").certificate_pem();
    let make = async |count: usize| {
        let body = json!({"type": "saml", "name": "Corp", "entityId": "https://idp.example/e",
            "ssoUrl": "https://idp.example/sso", "certificates": vec![&pem; count]});
        let reply = acme.admin.post(&acme.path("connections"), body).await;
        (reply.status.as_u16(), reply.text)
    };
    let (status, said) = make(11).await;
    assert!(status == 400 && said.contains("\"/certificates\"") && said.contains("at most 10"), "{said}");
    let (_, said) = make(10).await;
    assert!(!said.contains("at most 10"), "{said}");
    app.stop().await;
}

#[actix_web::test]
async fn a_credential_that_is_revoked_is_refused_everywhere_after_1_second() {
    let app = TestApp::start().await;
    let (elsewhere, running) = app.replica().await;
    let acme = app.tenant("acme").await;
    let made: ManagementKey =
        app.operator.post("/api/v1/keys", json!({"name": "k", "role": "module"})).await.created();
    let key = elsewhere.with(made.token.unwrap());
    let tokens = acme.path("scim-tokens");
    let token: ScimToken = acme.admin.post(&tokens, json!({"name": "t"})).await.created();
    let idp = elsewhere.with(token.token.unwrap());
    let ask = async || {
        (
            key.get("/api/internal/entitlements?tenant=acme").await.status,
            idp.get("/scim/v2/Users").await.status,
        )
    };
    let (before, _) = ask().await;
    assert!(before != 401 && ask().await.1 == 200, "{before}");
    assert_eq!(app.operator.delete(&format!("/api/v1/keys/{}", made.id)).await.status, 204);
    assert_eq!(acme.admin.delete(&format!("{tokens}/{}", token.id)).await.status, 204);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let (key, token) = ask().await;
    assert_eq!((key.as_u16(), token.as_u16()), (401, 401));
    running.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_person_has_a_hundred_sessions_and_a_further_one_ends_the_oldest() {
    let (app, issuer) = (TestApp::start().await, Issuer::start());
    issuer.register(&app.operator).await;
    app.tenant("acme").await;
    let first: Exchanged = app.operator.exchange(&issuer.token("ann", "org_acme")).await.found();
    super::multiply(&app, "session", 99, |_| vec![("id", platform::ids::new().into())]).await;
    let other: Exchanged = app.operator.exchange(&issuer.token("bob", "org_acme")).await.found();
    let live = async || {
        let sql = "SELECT count(*) AS n FROM session WHERE ended_at IS NULL";
        let read = async |view: &platform::PlatformView| {
            view.query(&platform::CrossTenantStatement::new(sql), Vec::new()).await
        };
        let rows = app.running.service.db.read_platform(read).await.unwrap();
        rows[0].try_get::<i64>("", "n").unwrap()
    };
    assert_eq!(live().await, 101);
    app.operator.exchange(&issuer.token("ann", "org_acme")).await.expect(200);
    assert_eq!(live().await, 101, "one came, one went");
    let refresh = async |session: &Exchanged| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh_token.as_str())];
        app.anyone().form("/oauth2/token", &form).await.status.as_u16()
    };
    assert_eq!((refresh(&first).await, refresh(&other).await), (400, 200));
    let ended = app.audit("session.end").await;
    assert_eq!(ended[0].details["reason"], "superseded", "{ended:?}");
    app.stop().await;
    issuer.stop().await;
}
