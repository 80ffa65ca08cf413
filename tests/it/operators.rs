//! Operators: passkeys in a real Chromium, recovery codes without one.

use platform::PlatformView;
use serde_json::json;
use tests::{Browser, OperatorAccount, Part, Reply, TestApp};

async fn stage() -> (TestApp, String) {
    stage_with(false).await
}

pub(crate) async fn stage_with(passwords: bool) -> (TestApp, String) {
    // WebAuthn's relying parties have names, not addresses.
    let port = tests::free_port();
    let origin = format!("http://localhost:{port}");
    let public = origin.clone();
    let app = TestApp::with(move |config| {
        config.server.listen = format!("127.0.0.1:{port}").parse().unwrap();
        config.server.public_url = public;
        config.section_mut::<operators::Settings>().operator_passwords = passwords;
        config.rate_limit.enabled = !passwords;
    })
    .await;
    (app, origin)
}

pub(crate) async fn invite(app: &TestApp) -> OperatorAccount {
    let body = json!({"email": "Ops@Example.com", "name": "Olga"});
    app.operator.post("/api/v1/operators", body).await.created()
}

#[actix_web::test]
async fn an_operator_enrols_a_passkey_and_comes_in_by_it() {
    let (app, origin) = stage().await;
    let made = invite(&app).await;
    let url = made.link();
    let shots = std::env::var("TENANTRY_TEST_SHOTS").unwrap_or_default();
    let mut chromium = Part::start("passkey.mjs", &[&url, &origin, "ops@example.com", &shots]).await;
    let seen = chromium.next().await;
    assert_eq!(seen["signedIn"], "You are signed in, Olga", "{seen}");
    assert_eq!(
        (&seen["read"], &seen["write"], &seen["afterLogout"]),
        (&json!(200), &json!(201), &json!(401))
    );
    assert_eq!(seen["again"], "You are signed in, Olga");
    assert_eq!((&seen["cookie"]["httpOnly"], &seen["cookie"]["sameSite"]), (&json!(true), &json!("Strict")));
    // The link is used up.
    assert_eq!(app.anyone().get(&url.replace(&origin, &app.operator.base)).await.status, 410);

    // A cookie that comes with another site's form changes nothing; by itself it reads.
    let cookie = format!("tnt_operator={}", seen["cookie"]["value"].as_str().unwrap());
    let send = |method: reqwest::Method, from: &str| {
        let request = app.anyone().request(method, "/api/v1/operators").header("cookie", &cookie);
        let body = json!({"email": "evil@example.com", "name": "Evil"});
        Reply::read(request.header("origin", from).json(&body))
    };
    assert_eq!(send(reqwest::Method::GET, "https://evil.example").await.status, 200);
    send(reqwest::Method::POST, "https://evil.example").await.refused(403, "auth.insufficient");
    send(reqwest::Method::POST, "null").await.refused(403, "auth.insufficient");
    // Disabled: out, at once.
    let one = format!("/api/v1/operators/{}", made.id);
    assert_eq!(app.operator.delete(&one).await.status, 204);
    assert_eq!(send(reqwest::Method::GET, &origin).await.status, 401);
    app.stop().await;
}

#[actix_web::test]
async fn a_recovery_code_lets_in_once() {
    let (app, origin) = stage().await;
    let url = invite(&app).await.link();
    let mut chromium = Part::start("passkey.mjs", &[&url, &origin, "ops@example.com"]).await;
    let seen = chromium.next().await;
    let code = seen["codes"][0].as_str().expect("codes").to_owned();
    assert_eq!(seen["codes"].as_array().unwrap().len(), 10);
    let mut browser = Browser::default();
    let page = browser.open(format!("{origin}/operator/login")).await.expect(200);
    let recover = format!("{origin}/operator/recover");
    let fields = |code: &str| {
        vec![("email".to_owned(), "OPS@example.com".to_owned()), ("code".to_owned(), code.to_owned())]
    };
    assert!(page.text.contains("/operator/recover"));
    browser.post(&recover, &fields("AAAA-AAAA-AAAA-AAAA")).await.expect(401);
    let page = browser.post(&recover, &fields(&code.to_lowercase())).await.expect(200);
    assert!(page.text.contains("You are signed in, Olga"), "{}", page.text);
    Browser::default().post(&recover, &fields(&code)).await.expect(401);
    assert_eq!(
        app.audit("operator.recover").await.iter().filter(|event| event.outcome == "success").count(),
        1
    );
    // What is asked of a stranger's address looks like what is asked of an operator's.
    let ask = async |email: &str| {
        let reply = app.anyone().post("/operator/login/begin", json!({"email": email})).await.expect(200);
        let options = reply["options"]["publicKey"].clone();
        let names: Vec<String> = options.as_object().unwrap().keys().cloned().collect();
        (names, options["allowCredentials"][0]["id"].clone(), options["userVerification"].clone())
    };
    let (known, stranger, again) =
        (ask("ops@example.com").await, ask("x@example.com").await, ask("x@example.com").await);
    assert!(stranger.0.iter().all(|name| known.0.contains(name)), "{known:?} {stranger:?}");
    assert_eq!((&stranger.1, &known.2), (&again.1, &stranger.2));
    app.stop().await;
}

#[actix_web::test]
async fn passwords_count_only_where_they_are_switched_on() {
    const PASSWORD: &str = "a horse, correct; and a battery";
    let (app, origin) = stage_with(true).await;
    let made = invite(&app).await;
    let url = made.link();
    let shots = std::env::var("TENANTRY_TEST_SHOTS").unwrap_or_default();
    let mut chromium = Part::start("passkey.mjs", &[&url, &origin, "ops@example.com", &shots]).await;
    let seen = chromium.next().await;
    let passkey = seen["cookie"]["value"].as_str().unwrap_or_else(|| panic!("{seen}")).to_owned();
    let set = async |cookie: &str, from: &str, password: &str| {
        let request = app.anyone().request(reqwest::Method::POST, "/operator/password");
        let request = request.header("cookie", format!("tnt_operator={cookie}")).header("origin", from);
        Reply::read(request.form(&[("password", password)])).await
    };
    let login = async |email: &str, password: &str| {
        let fields = [("email", email), ("password", password)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut browser = Browser::default();
        let page = browser.post(&format!("{origin}/operator/login"), &fields).await;
        (page, browser.cookie(&origin, "tnt_operator"))
    };
    // By the password alone, which Chromium has set by the page's form.
    let (page, cookie) = login("OPS@example.com", PASSWORD).await;
    let (page, cookie) = (page.expect(200), cookie.expect("a session"));
    assert!(page.text.contains("You are signed in, Olga"), "{}", page.text);
    assert!(!page.text.contains("/operator/password"), "offered to one without a passkey");
    for (email, password) in [
        ("ops@example.com", "a horse, correct; and a batterY"),
        ("stranger@example.com", PASSWORD),
        ("ops@example.com", ""),
    ] {
        let (page, cookie) = login(email, password).await;
        assert!(page.expect(401).text.contains("address or the password is wrong") && cookie.is_none());
    }
    // Nobody sets one who hasn't come in by a passkey, nor another site's page, nor a short one.
    set(&cookie, &origin, "an even longer password").await.refused(403, "auth.insufficient");
    set(&passkey, "https://evil.example", "an even longer password").await.refused(403, "auth.insufficient");
    set("tnt_os_none", &origin, "an even longer password").await.refused(401, "auth.required");
    assert_eq!(set(&passkey, &origin, "fourteen chars").await.status, 400);
    login("ops@example.com", PASSWORD).await.0.expect(200);
    // Kept as Argon2id; a change takes the old one away, and so does nothing in its place.
    let read = async |view: &PlatformView| {
        view.query(
            &platform::CrossTenantStatement::new(
                "SELECT password_hash FROM operator WHERE email = 'ops@example.com'",
            ),
            Vec::new(),
        )
        .await
    };
    let rows = app.running.service.db.read_platform(read).await.expect("rows");
    let kept: String = rows[0].try_get("", "password_hash").expect("a hash");
    assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
    set(&passkey, &origin, "an even longer password").await;
    login("ops@example.com", PASSWORD).await.0.expect(401);
    login("ops@example.com", "an even longer password").await.0.expect(200);
    // A hundred wrong ones in a row, and it counts no more, until it is set anew.
    let wrong = async |times: usize| {
        for _ in 0..times {
            login("ops@example.com", "wrong").await.0.expect(401);
        }
    };
    wrong(99).await;
    login("ops@example.com", "an even longer password").await.0.expect(200);
    wrong(100).await;
    login("ops@example.com", "an even longer password").await.0.expect(401);
    set(&passkey, &origin, "an even longer password").await;
    login("ops@example.com", "an even longer password").await.0.expect(200);
    set(&passkey, &origin, "").await;
    login("ops@example.com", "an even longer password").await.0.expect(401);
    for action in ["operator.password_set", "operator.password_removed"] {
        assert!(app.audit(action).await.iter().any(|event| event.outcome == "success"), "{action}");
    }
    app.stop().await;

    let (app, origin) = stage().await;
    let page = Browser::default().open(format!("{origin}/operator/login")).await.expect(200);
    assert!(!page.text.contains("password"), "{}", page.text);
    for (path, field) in [("/operator/login", "email"), ("/operator/password", "unused")] {
        let reply = app.anyone().form(path, &[(field, "x"), ("password", PASSWORD)]).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    app.stop().await;
}
