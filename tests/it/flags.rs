//! Feature flags: pushed to modules, evaluated over OFREP, explained.

mod live;
mod races;

use std::time::Duration;

use serde_json::json;
use tests::{Delivery, Event, Flag, Module, Receiver, TestApp};

#[actix_web::test]
async fn a_module_gets_each_change_signed_with_a_growing_version() {
    let app = TestApp::start().await;
    let module = Receiver::start();
    let made = app.operator.module("m", &module.url).await;
    app.operator.flag("beta").await;
    let gated = json!({"key": "export", "type": "string", "variants": {"csv": "csv", "off": "off"}, "defaultVariant": "csv", "plans": ["enterprise"]});
    app.operator.post("/api/v1/flags", gated).await.expect(201);
    let acme = app.tenant("acme").await;
    let first = module.until("the first push", |push| push.body["tenantId"] == acme.id.as_str()).await;
    assert_eq!(first.path, "/api/internal/feature-flags/apply");
    assert_eq!(first.body["flags"], json!({"beta": false, "export": "off"}));
    assert_eq!(first.body["tenantSlug"], "acme");
    let secret = made.webhook_secret.strip_prefix("whsec_").unwrap();
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD.decode(secret).unwrap();
    let content = [format!("{}.{}.", first.id, first.timestamp).as_bytes(), &first.raw].concat();
    let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key), &content);
    assert_eq!(first.signature, format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag)));
    app.operator.put("/api/v1/tenants/acme/flags/beta", json!({"variant": "on"})).await.expect(200);
    let second = module.until("the override", |push| push.body["flags"]["beta"] == true).await;
    assert!(second.body["version"].as_i64() > first.body["version"].as_i64());
    app.operator.patch("/api/v1/tenants/acme", json!({"plan": "enterprise"})).await.expect(200);
    let third = module.until("the plan's flags", |push| push.body["flags"]["export"] == "csv").await;
    assert!(third.body["version"].as_i64() > second.body["version"].as_i64());
    assert_eq!(app.operator.delete("/api/v1/tenants/acme/flags/beta").await.status, 204);
    module
        .until("the override's end", |push| {
            push.body["flags"]["beta"] == false
                && push.body["version"].as_i64() > third.body["version"].as_i64()
        })
        .await;
    let seen: Flag = app.operator.get("/api/v1/tenants/acme/flags/export").await.found();
    assert_eq!((seen.value.as_str(), seen.reason.as_str()), (Some("csv"), "STATIC"));
    let internal = app
        .key("module", None)
        .await
        .get("/api/internal/feature-flags?sub=ann&org=org_acme")
        .await
        .expect(200);
    assert_eq!(internal["flags"]["export"], "csv");
    module.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_push_names_its_tenant_and_its_version_in_each_profile() {
    let app = TestApp::start().await;
    let profiles = [
        ("tenantry", "tenantry"),
        ("list", "list"),
        ("map", "map"),
        ("kombify-list", "list"),
        ("kombify-map", "map"),
    ];
    let modules: Vec<Receiver> = profiles.iter().map(|_| Receiver::start()).collect();
    for ((asked, is), module) in profiles.iter().zip(&modules) {
        let body = json!({"name": asked, "baseUrl": module.url, "profile": asked});
        assert_eq!(app.operator.post("/api/v1/modules", body).await.created::<Module>().profile, *is);
    }
    let refused = json!({"name": "m", "baseUrl": "https://m.example", "profile": "table"});
    app.operator.post("/api/v1/modules", refused).await.expect(400);
    app.operator.flag("beta").await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    app.operator.put("/api/v1/tenants/acme/flags/beta", json!({"variant": "on"})).await.expect(200);
    for ((_, profile), module) in profiles.iter().zip(&modules) {
        let (on, off) = match *profile {
            "list" => (json!([{"key": "beta", "enabled": true}]), json!([{"key": "beta", "enabled": false}])),
            _ => (json!({"beta": true}), json!({"beta": false})),
        };
        let of = |tenant: String, flags: serde_json::Value| {
            move |push: &tests::Received| {
                push.body["tenantId"] == tenant.as_str() && push.body["flags"] == flags
            }
        };
        let changed = module.until("acme's flags", of(acme.id.to_string(), on)).await;
        let first = module.until("the other's flags", of(other.id.to_string(), off)).await;
        assert_eq!(first.body["version"], 1, "{profile}");
        assert!(changed.body["version"].as_i64() >= Some(1), "{profile}: {}", changed.body);
        let names: Vec<&str> = first.body.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = match *profile {
            "list" => &["flags", "tenantId", "version"],
            "map" => &["flags", "sub", "tenantId", "version"],
            _ => &["flags", "sentAt", "tenantId", "tenantSlug", "version"],
        };
        assert_eq!(names, expected);
    }
    for module in modules {
        module.stop().await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_module_that_fails_is_told_until_it_confirms_and_delays_nobody() {
    // Far longer than the well one's push is waited for.
    let app = TestApp::with(|config| config.outbound.timeout = Duration::from_secs(90)).await;
    let (dead, failing, well) = (Receiver::start(), Receiver::start(), Receiver::start());
    dead.answer(0);
    let mut ids = Vec::new();
    for (name, module) in [("dead", &dead), ("failing", &failing), ("well", &well)] {
        ids.push(app.operator.module(name, &module.url).await.id);
    }
    app.operator.flag("beta").await;
    for number in 0..5 {
        app.tenant(&format!("t{number}")).await;
    }
    failing.until("the last tenant's first push", |push| push.body["tenantSlug"] == "t4").await;
    failing.answer(503);
    app.operator.put("/api/v1/tenants/t0/flags/beta", json!({"variant": "on"})).await.expect(200);
    well.until("the push, which a hanging module holds up", |push| push.body["flags"]["beta"] == true).await;
    failing.until("some attempts", |push| push.body["flags"]["beta"] == true).await;
    failing.answer(204);
    let unconfirmed = format!("/api/v1/modules/{}/flag-pushes?drift=true", ids[1]);
    tests::eventually("the failing module to confirm", async || {
        (app.operator.get(&unconfirmed).await.count() == 0).then_some(())
    })
    .await;
    let of_t0: Vec<String> = failing
        .all()
        .into_iter()
        .filter(|push| push.body["flags"]["beta"] == true)
        .map(|push| push.id)
        .collect();
    assert!(
        of_t0.windows(2).all(|pair| pair[0] == pair[1]),
        "one snapshot, one id over all attempts: {of_t0:?}"
    );
    dead.stop().await;
    failing.stop().await;
    well.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn events_reach_endpoints_that_want_them_once() {
    let app = TestApp::start().await;
    let (all, some) = (Receiver::start(), Receiver::start());
    app.operator
        .post("/api/v1/webhook-endpoints", json!({"url": format!("{}/a", all.url)}))
        .await
        .expect(201);
    app.operator.webhook(&some.url, &["user.created"]).await;
    some.answer(500);
    let acme = app.tenant("acme").await;
    let ann = acme.user("ann").await;
    let event = all.until("the event", |one| one.body["type"] == "user.created").await;
    assert_eq!(
        (event.body["data"]["userId"].as_str(), event.body["tenantid"].as_str()),
        (Some(ann.as_str()), Some(acme.id.as_str()))
    );
    some.until("an attempt", |_| true).await;
    some.answer(204);
    let delivered = tests::eventually("the delivery", async || {
        let list: Vec<Delivery> = app.operator.get("/api/v1/deliveries?limit=200").await.items();
        list.into_iter().find(|one| one.status == "delivered" && one.attempts > 1)
    })
    .await;
    assert_eq!(event.body["id"], delivered.event_id);
    assert!(some.all().iter().all(|one| one.body["type"] == "user.created" && one.id == event.id));
    let feed: Vec<Event> = app.operator.get("/api/v1/events?limit=200").await.items();
    assert!(feed.iter().any(|one| one.kind == "tenant.activated"));
    all.stop().await;
    some.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_rollout_is_sticky_and_a_schedule_reaches_modules_by_itself() {
    let app = TestApp::start().await;
    let module = Receiver::start();
    app.operator.module("m", &module.url).await;
    let acme = app.tenant("acme").await;
    let from = app.clock.now() + chrono::TimeDelta::hours(1);
    let scheduled = json!({"key": "winter", "type": "boolean", "rules": [{"variant": "on", "from": from}]});
    app.operator.post("/api/v1/flags", scheduled).await.expect(201);
    let share = json!([{"variant": "on", "weight": 50}, {"variant": "off", "weight": 50}]);
    let split = json!({"key": "new-look", "type": "boolean", "rules": [{"when": {"plan": ["pro"]}, "rollout": share, "bucketBy": "tenant"}]});
    app.operator.post("/api/v1/flags", split).await.expect(201);
    let first = module.until("both flags", |push| push.body["flags"]["new-look"].is_boolean()).await;
    assert_eq!(first.body["flags"]["winter"], false);
    let seen: Flag = app.operator.get("/api/v1/tenants/acme/flags/new-look").await.found();
    assert_eq!((seen.reason.as_str(), &seen.value), ("SPLIT", &first.body["flags"]["new-look"]));
    assert_eq!(seen.rule, Some(0));
    app.clock.advance(chrono::TimeDelta::minutes(61));
    module
        .until("the schedule's beginning", |push| {
            push.body["flags"]["winter"] == true && push.body["tenantId"] == acme.id.as_str()
        })
        .await;
    for (rules, pointer) in [
        (json!([{}]), "/rules/0"),
        (json!([{"rollout": [{"variant": "x"}]}]), "/rules/0/rollout/0/variant"),
        (json!([{"when": {"plan": {"like": ["p"]}}, "variant": "on"}]), "/rules"),
    ] {
        let refused = app
            .operator
            .post("/api/v1/flags", json!({"key": "bad", "type": "boolean", "rules": rules}))
            .await
            .refused(400, "validation.failed");
        assert!(refused.pointer().starts_with(pointer), "{refused:?}");
    }
    module.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn any_openfeature_sdk_evaluates_over_ofrep() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let colours = json!([{"variant": "red", "weight": 50}, {"variant": "green", "weight": 50}]);
    for flag in [
        json!({"key": "beta", "type": "boolean", "defaultVariant": "on", "rules": [{"when": {"role": ["guest"]}, "variant": "off"}]}),
        json!({"key": "new-welcome", "type": "string", "variants": {"red": "red", "green": "green"}, "defaultVariant": "red",
            "rules": [{"rollout": colours}]}),
        json!({"key": "limit", "type": "number", "variants": {"seven": 7}, "defaultVariant": "seven"}),
        json!({"key": "theme", "type": "object", "variants": {"dark": {"dark": true}}, "defaultVariant": "dark"}),
        json!({"key": "paid", "type": "boolean", "defaultVariant": "on", "plans": ["enterprise"]}),
    ] {
        app.operator.post("/api/v1/flags", flag).await.expect(201);
    }
    let module = app.key("module", None).await;
    let ask = async |path: &str, body: serde_json::Value| module.post(path, body).await;
    let all =
        ask("/ofrep/v1/evaluate/flags", json!({"context": {"targetingKey": "ann", "tenant": "org_acme"}}))
            .await;
    let tag = all.header("etag").to_owned();
    assert_eq!(all.expect(200)["flags"].as_array().unwrap().len(), 5);
    let again =
        module.request(reqwest::Method::POST, "/ofrep/v1/evaluate/flags").header("if-none-match", &tag);
    let again =
        again.json(&json!({"context": {"targetingKey": "ann", "tenant": "acme"}})).send().await.unwrap();
    assert_eq!(again.status(), 304);
    for (path, body, status, code) in [
        ("/ofrep/v1/evaluate/flags/gone", json!({"context": {"tenant": "acme"}}), 404, "FLAG_NOT_FOUND"),
        ("/ofrep/v1/evaluate/flags/beta", json!({"context": {"tenant": "nobody"}}), 400, "INVALID_CONTEXT"),
        ("/ofrep/v1/evaluate/flags/beta", json!({"context": 7}), 400, "INVALID_CONTEXT"),
        ("/ofrep/v1/evaluate/flags", json!({}), 400, "INVALID_CONTEXT"),
    ] {
        let refused = ask(path, body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["errorCode"].as_str()),
            (status, Some(code)),
            "{path}"
        );
    }
    assert_eq!(app.anyone().post("/ofrep/v1/evaluate/flags", json!({})).await.status, 401);
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut command = tokio::process::Command::new(format!("{fixtures}/.venv/bin/python"));
    let key = module.bearer.clone().unwrap();
    let output =
        command.args(["ofrep_check.py", &module.base, &key, "acme"]).current_dir(fixtures).output().await;
    let output = output.expect("tests/run installs Python's packages");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    app.stop().await;
}

#[actix_web::test]
async fn a_kill_switch_is_above_all_prerequisites_build_on_one_another_and_all_is_explained() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let op = &app.operator;
    op.post("/api/v1/flags", json!({"key": "base", "type": "boolean", "defaultVariant": "on"}))
        .await
        .expect(201);
    let top = json!({"key": "top", "type": "boolean", "defaultVariant": "on", "prerequisites": [{"flag": "base", "variant": "on"}]});
    op.post("/api/v1/flags", top).await.expect(201);
    let of = async |key: &str| op.get(&format!("/api/v1/tenants/acme/flags/{key}")).await.found::<Flag>();
    assert_eq!(of("top").await.value, true);
    op.put("/api/v1/tenants/acme/flags/base", json!({"variant": "off"})).await.expect(200);
    assert_eq!((of("top").await.value, of("top").await.reason.as_str()), (json!(false), "DISABLED"));
    let why = op.get("/api/v1/tenants/acme/flags/top/explanation").await.expect(200);
    assert_eq!(
        why["steps"],
        json!([{"step": "prerequisite", "of": "base", "text": "base is off, wanted on", "decides": true}])
    );
    assert_eq!(why["context"]["plan"], "pro");
    // Switched off for everybody, own variant or not.
    op.put("/api/v1/tenants/acme/flags/base", json!({"variant": "on"})).await.expect(200);
    op.put("/api/v1/flags/base", json!({"type": "boolean", "defaultVariant": "on", "enabled": false}))
        .await
        .expect(200);
    assert_eq!((of("base").await.value, of("top").await.value), (json!(false), json!(false)));
    // What others need is not removed, what needs itself is not made, and what isn't there is not needed.
    assert_eq!(*op.delete("/api/v1/flags/base").await.refused(409, "flag.in_use").fact("by"), "top");
    for (needs, variant) in [("top", "on"), ("base", "on"), ("gone", "on"), ("top", "maybe")] {
        let wrong = json!({"type": "boolean", "prerequisites": [{"flag": needs, "variant": variant}]});
        op.put("/api/v1/flags/base", wrong).await.refused(400, "validation.failed");
    }
    // The trail is the history: what it was, and what it became.
    let changes = app.audit("flag.update").await;
    assert_eq!(
        (&changes[0].details["from"]["enabled"], &changes[0].details["to"]["enabled"]),
        (&json!(true), &json!(false))
    );
    app.stop().await;
}
