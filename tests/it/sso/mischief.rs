//! An OpenID Provider that does one thing wrong at a time: refused, each with its own reason, and never a session.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tests::{Browser, ConnectionTest, Issuer, Tenant, TestApp};

use super::*;

struct Stage {
    app: TestApp,
    tenant: Tenant,
    issuer: Issuer,
    module: Module,
}

impl Stage {
    async fn set() -> Self {
        let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
        let (tenant, issuer) = (app.tenant("acme").await, Issuer::start());
        let module = module(&app, "app", json!({})).await;
        tenant.connect_to(&issuer).await;
        Self { app, tenant, issuer, module }
    }

    async fn go(&self) -> Page {
        Browser::default().open(self.module.authorize(&self.app, &[("tenant", &self.tenant.slug)])).await
    }

    /// The reason in the trace that the page's code leads to.
    async fn reason(&self, page: &Page) -> String {
        let code = page.code().unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
        self.app.operator.sign_in(&code).await.reason.unwrap_or_default()
    }

    async fn users(&self) -> usize {
        self.tenant.admin.users("acme").await.len()
    }
}

#[actix_web::test]
async fn each_wrong_claim_alone_is_refused_with_its_reason() {
    let stage = Stage::set().await;
    type Change = (&'static str, &'static str, fn(&mut Value));
    let wrong: [Change; 16] = [
        ("another issuer", "oidc.issuer_wrong", |claims| claims["iss"] = json!("https://evil.example")),
        ("a slash more", "oidc.issuer_wrong", |claims| {
            claims["iss"] = json!(format!("{}/", claims["iss"].as_str().unwrap()));
        }),
        ("another audience", "oidc.audience_wrong", |claims| claims["aud"] = json!("c2")),
        ("several audiences", "oidc.audience_wrong", |claims| claims["aud"] = json!(["c1", "c2"])),
        ("no audience", "oidc.audience_wrong", |claims| claims["aud"] = json!([])),
        ("made for another", "oidc.audience_wrong", |claims| claims["azp"] = json!("c2")),
        ("no nonce", "oidc.nonce_wrong", |claims| {
            claims.as_object_mut().unwrap().remove("nonce");
        }),
        ("another nonce", "oidc.nonce_wrong", |claims| claims["nonce"] = json!("x")),
        ("over", "oidc.expired", |claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 31)),
        ("from the future", "oidc.expired", |claims| {
            claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 120);
        }),
        ("an end that is no number", "", |claims| claims["exp"] = json!("soon")),
        ("without an end", "", |claims| {
            claims.as_object_mut().unwrap().remove("exp");
        }),
        ("an empty subject", "sign_in.subject_unusable", |claims| claims["sub"] = json!("")),
        ("a long subject", "sign_in.subject_unusable", |claims| claims["sub"] = json!("x".repeat(256))),
        ("a subject with a NUL", "sign_in.subject_unusable", |claims| claims["sub"] = json!("a\u{0}b")),
        ("a wrong at_hash", "oidc.claims_unusable", |claims| {
            claims["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA")
        }),
    ];
    for (what, reason, change) in wrong {
        stage.issuer.misbehave(|mischief| mischief.claims = Some(Box::new(change)));
        let page = stage.go().await;
        assert!(page.status.is_client_error(), "{what}: {} {}", page.url, page.status);
        let told = stage.reason(&page).await;
        // Where the library can't even read the token, it says so in its own words.
        let fits = if reason.is_empty() {
            matches!(told.as_str(), "oidc.token_request_failed" | "oidc.claims_unusable")
        } else {
            told == reason
        };
        assert!(fits, "{what}: {told}");
    }
    assert_eq!(stage.users().await, 0);
    stage.issuer.misbehave(|_| ());
    assert!(stage.go().await.parameter("code").is_some());
    stage.app.stop().await;
    stage.issuer.stop().await;
}

#[actix_web::test]
async fn signatures_and_keys_are_confused_in_vain() {
    let stage = Stage::set().await;
    let b64 = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (stranger, strange_jwk) = tests::make_key("k1");
    let public = URL_SAFE_NO_PAD.encode(strange_jwk.to_string());
    let signed = move |header: Header, key: EncodingKey| -> Box<dyn Fn(&Value) -> String + Send> {
        Box::new(move |claims: &Value| encode(&header, claims, &key).unwrap())
    };
    let with = |algorithm: Algorithm, kid: &str| {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        header
    };
    let unsigned: Box<dyn Fn(&Value) -> String + Send> = Box::new(move |claims: &Value| {
        format!("{}.{}.", b64(&json!({"alg": "none", "typ": "JWT"})), b64(claims))
    });
    let mut jku = with(Algorithm::ES256, "k1");
    jku.jku = Some("https://evil.example/jwks".to_owned());
    let mut crit = with(Algorithm::ES256, "k1");
    crit.crit = Some(vec!["b64".to_owned()]);
    let cases = [
        ("an extension that must be understood", signed(crit, stranger.clone()), "oidc.extension_unknown"),
        ("none", unsigned, "oidc.algorithm_refused"),
        (
            "a stranger's key under the right kid",
            signed(with(Algorithm::ES256, "k1"), stranger.clone()),
            "oidc.signature_wrong",
        ),
        ("an unknown kid", signed(with(Algorithm::ES256, "k9"), stranger.clone()), "oidc.signature_wrong"),
        (
            "a kid that is a path",
            signed(with(Algorithm::ES256, "../../k1'--"), stranger.clone()),
            "oidc.signature_wrong",
        ),
        ("a key's address in the header", signed(jku, stranger.clone()), "oidc.signature_wrong"),
        (
            "the public key as an HMAC secret",
            signed(with(Algorithm::HS256, "k1"), EncodingKey::from_secret(public.as_bytes())),
            "oidc.algorithm_refused",
        ),
        (
            "the published symmetric key",
            signed(with(Algorithm::HS256, "sym"), EncodingKey::from_secret(b"secret")),
            "oidc.algorithm_refused",
        ),
    ];
    for (what, token, reason) in cases {
        stage.issuer.misbehave(|mischief| mischief.token = Some(token));
        let page = stage.go().await;
        let told = stage.reason(&page).await;
        assert!(told == reason || told == "oidc.token_request_failed", "{what}: {told}");
    }
    // A flood of unknown keys asks the provider at most once a minute.
    let before = stage.issuer.fetches.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..10 {
        let token = signed(with(Algorithm::ES256, "k9"), stranger.clone());
        stage.issuer.misbehave(|mischief| mischief.token = Some(token));
        stage.go().await;
    }
    let after = stage.issuer.fetches.load(std::sync::atomic::Ordering::Relaxed);
    assert!(after - before <= 1, "{before} {after}");
    assert_eq!(stage.users().await, 0);
    stage.app.stop().await;
    stage.issuer.stop().await;
}

#[actix_web::test]
async fn answers_count_once_in_their_browser_of_their_connection() {
    let stage = Stage::set().await;
    let base = stage.app.operator.base.clone();
    let mut browser = Browser::default();
    browser.stops.push(format!("{base}/sso/oidc/"));
    let authorize = stage.module.authorize(&stage.app, &[("tenant", "acme")]);
    let answer = browser.open(&authorize).await.url;
    // Another browser can't use it: neither a thief nor a victim into whose browser it is put.
    Browser::default().open(&answer).await.refused("sso.browser_other");
    // And now it is used up, for its own browser too.
    browser.stops.pop();
    browser.open(&answer).await.refused("sso.state_unknown");
    // Replayed, without state, with a made-up one, twice in one URL.
    browser.stops.push(format!("{base}/sso/oidc/"));
    let answer = browser.open(&authorize).await.url;
    browser.stops.pop();
    assert!(browser.open(&answer).await.parameter("code").is_some());
    browser.open(&answer).await.refused("sso.state_unknown");
    let bare = |query: &str| {
        let mut url = answer.clone();
        url.set_query(Some(query));
        url
    };
    browser.open(bare("code=x")).await.refused("sso.state_unknown");
    browser.open(bare("code=x&state=_0000")).await.refused("sso.state_unknown");
    browser.open(bare("code=x&code=y&state=z")).await.refused("validation.failed");
    // The other tenant's connection knows nothing of it.
    let other = stage.app.tenant("other").await;
    let body = json!({"type": "oidc", "name": "Corp", "issuer": stage.issuer.url, "clientId": "c1", "clientSecret": "s"});
    let other = connect(&other, body).await;
    browser.stops.push(format!("{base}/sso/oidc/"));
    let mut answer = browser
        .open(stage.module.authorize(&stage.app, &[("tenant", "acme"), ("prompt", "login")]))
        .await
        .url;
    browser.stops.pop();
    answer.set_path(&format!("/sso/oidc/{}/callback", other.id));
    browser.open(&answer).await.refused("sso.state_unknown");
    answer.set_path("/sso/oidc/01890a5d-ac96-774b-bcce-b302099a8057/callback");
    browser.open(&answer).await.refused("not_found");
    // An identifier of another tenant chooses nothing past the tenant that was named.
    let mixed = stage.module.authorize(&stage.app, &[("tenant", "acme"), ("connection", &other.id)]);
    Browser::default().open(mixed).await.refused("not_found");
    stage.app.stop().await;
    stage.issuer.stop().await;
}

#[actix_web::test]
async fn whose_answer_it_is_must_be_clear() {
    let stage = Stage::set().await;
    let promise: fn(&mut Value) =
        |document| document["authorization_response_iss_parameter_supported"] = json!(true);
    let add = |iss: &str| {
        let iss = iss.to_owned();
        Box::new(move |answer: &mut Vec<(String, String)>| answer.push(("iss".to_owned(), iss.clone())))
    };
    stage.issuer.misbehave(|mischief| mischief.discovery = Some(Box::new(promise)));
    let page = stage.go().await;
    assert_eq!(stage.reason(&page).await, "oidc.iss_missing");
    stage.issuer.misbehave(|mischief| mischief.answer = Some(add("https://other.example")));
    let page = stage.go().await;
    assert_eq!(stage.reason(&page).await, "oidc.iss_wrong");
    let url = stage.issuer.url.clone();
    stage.issuer.misbehave(|mischief| mischief.answer = Some(add(&url)));
    assert!(stage.go().await.parameter("code").is_some());
    // A refusal of the provider is told to support, and its words are shown to nobody as markup.
    stage.issuer.misbehave(|mischief| {
        mischief.answer = Some(Box::new(|answer| {
            answer.retain(|(name, _)| name == "state");
            answer.push(("error".to_owned(), "access_denied".to_owned()));
            answer.push(("error_description".to_owned(), "<script>alert(1)</script>".to_owned()));
            answer.push(("iss".to_owned(), String::new()));
        }));
    });
    let page = stage.go().await;
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    stage.app.stop().await;
    stage.issuer.stop().await;
}

#[actix_web::test]
async fn a_provider_that_points_inside_is_not_followed() {
    let app = TestApp::with(|config| {
        config.outbound.allow_private = false;
        config.rate_limit.enabled = false;
    })
    .await;
    let acme = app.tenant("acme").await;
    for issuer in [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:8080",
        "https://127.0.0.1",
        "https://localhost",
        "https://[::1]",
        "https://[::ffff:169.254.169.254]",
        "https://10.0.0.1",
        "https://user@idp.example",
        "file:///etc/passwd",
        "gopher://idp.example",
        "https://2130706433",
        "https://0x7f.1",
    ] {
        let body = json!({"type": "oidc", "name": "x", "issuer": issuer, "clientId": "c"});
        let reply = acme.admin.post(&acme.path("connections"), body).await;
        if issuer == "https://localhost" {
            // A name is judged when it is resolved: at the test.
            let made: Connection = reply.created();
            let test = acme.path(&format!("connections/{}/test", made.id));
            assert!(!acme.admin.post(&test, json!({})).await.found::<ConnectionTest>().ok);
        } else {
            reply.refused(400, "outbound.refused");
        }
        let body = json!({"type": "saml", "name": "x", "metadataUrl": issuer});
        let reply = acme.admin.post(&acme.path("connections"), body).await;
        assert!(issuer == "https://localhost" || reply.status == 400, "{issuer}: {}", reply.text);
    }
    app.stop().await;
    // What a discovery document names is guarded like what the admin typed.
    let stage = Stage::set().await;
    stage.issuer.misbehave(|mischief| {
        mischief.discovery =
            Some(Box::new(|document| document["authorization_endpoint"] = json!("ftp://inside/")));
    });
    let page = stage.go().await;
    assert_eq!(stage.reason(&page).await, "oidc.url_refused");
    stage.issuer.misbehave(|mischief| {
        mischief.discovery =
            Some(Box::new(|document| document["issuer"] = json!("https://elsewhere.example")));
    });
    let again = connect(
        &stage.tenant,
        json!({"type": "oidc", "name": "2", "issuer": stage.issuer.url, "clientId": "c1"}),
    )
    .await;
    let url = stage.module.authorize(&stage.app, &[("connection", &again.id)]);
    let page = Browser::default().open(url).await;
    assert_eq!(stage.reason(&page).await, "oidc.discovery_failed");
    stage.app.stop().await;
    stage.issuer.stop().await;
}

#[actix_web::test]
async fn entra_and_google_are_read_as_they_are() {
    let stage = Stage::set().await;
    let admin = &stage.tenant.admin;
    let common = json!({"type": "oidc", "name": "x", "issuer": "https://login.microsoftonline.com/common/v2.0", "clientId": "c"});
    admin.post(&stage.tenant.path("connections"), common).await.refused(400, "validation.failed");
    let body = json!({
        "type": "oidc", "name": "Google", "issuer": stage.issuer.url, "clientId": "c1", "hostedDomain": "corp.example",
    });
    let google = connect(&stage.tenant, body).await;
    let url = stage.module.authorize(&stage.app, &[("connection", &google.id)]);
    let page = Browser::default().open(&url).await;
    assert_eq!(stage.reason(&page).await, "oidc.hosted_domain_wrong");
    stage.issuer.misbehave(|mischief| {
        mischief.claims = Some(Box::new(|claims| claims["hd"] = json!("corp.example")));
    });
    assert!(Browser::default().open(&url).await.parameter("code").is_some());
    // An address moves to somebody else at the provider: the account doesn't.
    let before = stage.users().await;
    stage.issuer.misbehave(|mischief| {
        mischief.claims = Some(Box::new(|claims| {
            claims["hd"] = json!("corp.example");
            claims["sub"] = json!("bob");
        }));
    });
    let page = Browser::default().open(&url).await;
    page.refused("sso.subject_other");
    assert_eq!(stage.users().await, before);
    stage.app.stop().await;
    stage.issuer.stop().await;
}

#[actix_web::test]
async fn a_provider_that_fails_is_nobodys_failure() {
    let app = TestApp::start().await;
    let (tenant, issuer) = (app.tenant("acme").await, Issuer::start());
    let module = module(&app, "app", json!({})).await;
    let body =
        json!({"type": "oidc", "name": "Corp", "issuer": issuer.url, "clientId": "c1", "clientSecret": "s"});
    connect(&tenant, body).await;
    let stage = Stage { app, tenant, issuer, module };
    stage.issuer.misbehave(|mischief| mischief.token_status = Some(500));
    for number in 0..25 {
        let page = stage.go().await;
        assert_eq!(page.status, 503, "{number}: {}", page.text);
        if number == 0 {
            assert_eq!(stage.reason(&page).await, "oidc.provider_unreachable");
        }
    }
    stage.issuer.misbehave(|_| ());
    assert!(stage.go().await.parameter("code").is_some(), "everybody behind the address still gets in");
    // What a provider says wrongly counts, and for sign-ins alone.
    stage.issuer.misbehave(|mischief| {
        mischief.claims = Some(Box::new(|claims| claims["nonce"] = json!("another")));
    });
    let mut last = 0;
    for _ in 0..25 {
        last = stage.go().await.status.as_u16();
    }
    assert_eq!(last, 429);
    stage.app.anyone().get("/invitations/accept?token=wrong").await.expect(404);
    stage.app.stop().await;
}
