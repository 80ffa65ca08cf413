//! Changes that reach many at once: modules that are told, providers that listen.

use tests::FlagPush;

use super::*;

#[actix_web::test]
async fn twenty_modules_hear_of_a_change_and_drift_is_shown_and_repaired() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.operator.flag("beta").await;
    let modules: Vec<Receiver> = (0..20).map(|_| Receiver::start()).collect();
    let mut ids = Vec::new();
    for (number, module) in modules.iter().enumerate() {
        ids.push(app.operator.module(&format!("m{number}"), &module.url).await);
    }
    for module in &modules {
        module.until("the first push", |push| push.body["flags"]["beta"] == false).await;
    }
    app.operator.put("/api/v1/tenants/acme/flags/beta", json!({"variant": "on"})).await.expect(200);
    for module in &modules {
        module.until("the change", |push| push.body["flags"]["beta"] == true).await;
    }
    let (module, id) = (&modules[0], &ids[0].id);
    let pushes = format!("/api/v1/modules/{id}/flag-pushes");
    let of = async |query: &str| app.operator.get(&format!("{pushes}{query}")).await.items::<FlagPush>();
    let confirmed =
        tests::eventually("the confirmation", async || of("").await.into_iter().find(|row| !row.drift)).await;
    assert_eq!((&confirmed.tenant_id, confirmed.version), (&acme.id, 2));
    // It is down for a day, with changes meanwhile: that is shown, and it has the latest when it is back.
    module.answer(503);
    app.operator.put("/api/v1/tenants/acme/flags/beta", json!({"variant": "off"})).await.expect(200);
    let drift = tests::eventually("the drift", async || {
        of("?drift=true").await.into_iter().find(|row| row.last_error.is_some())
    })
    .await;
    assert_eq!((drift.version, drift.confirmed_version), (3, 2));
    app.operator.put("/api/v1/tenants/acme/flags/beta", json!({"variant": "on"})).await.expect(200);
    app.clock.advance(chrono::TimeDelta::hours(24));
    module.answer(204);
    module.until("the latest", |push| push.body["version"] == 4).await;
    tests::eventually("no drift", async || of("?drift=true").await.is_empty().then_some(())).await;
    // It says that it has less than it should: its store was put back. It is told anew, under a later version.
    let applied = |version: i64| json!({"clientId": ids[0].client_id, "items": [{"tenantId": acme.id, "version": version}, {"tenantId": "01890a5d-ac96-774b-bcce-b302099a8057", "version": 1}]});
    let key = app.key("module", None).await;
    let report = key.post("/api/internal/feature-flags/applied", applied(1)).await.expect(200);
    assert_eq!((&report["pushed"], report["unknown"].as_array().unwrap().len()), (&json!([acme.id]), 1));
    module.until("the repair", |push| push.body["version"] == 5).await;
    let report = key.post("/api/internal/feature-flags/applied", applied(5)).await.expect(200);
    assert_eq!(report["current"], 1);
    // It answers with a version of its own that is ahead of ours: ours becomes the latest.
    module.say(json!({"appliedVersion": 40}).to_string());
    app.operator.put("/api/v1/tenants/acme/flags/beta", json!({"variant": "off"})).await.expect(200);
    module.until("a version that is later than its own", |push| push.body["version"] == 41).await;
    module.say(json!({"appliedVersion": 41}).to_string());
    // Everything anew, as somebody asks for it.
    module.answer(204);
    let begun = app.operator.post(&format!("{pushes}/repair"), json!({})).await.expect(202);
    assert_eq!(begun["tenants"], 1);
    module.until("everything anew", |push| push.body["version"].as_i64() >= Some(42)).await;
    // A hand at the store, and a signal that was lost: the reconciler finds it.
    let by_hand = async |tx: &mut platform::PlatformTx| {
        platform::Work::housekeeping(tx);
        tx.execute(
            &platform::CrossTenantStatement::new("UPDATE flag_override SET variant = 'on'"),
            Vec::new(),
        )
        .await
    };
    let ctx = platform::Ctx::system("test");
    app.running.service.db.write_platform(&ctx, by_hand).await.unwrap();
    flags::reconcile(&app.running.service).await.unwrap();
    module.until("what nobody told of", |push| push.body["flags"]["beta"] == true).await;
    for module in modules {
        module.stop().await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_version_that_no_module_can_have_says_nothing_of_ours() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.operator.flag("beta").await;
    let module = Receiver::start();
    module.say(r#"{"appliedVersion": 9223372036854775808}"#.to_owned());
    let made = app.operator.module("m", &module.url).await;
    let pushes = format!("/api/v1/modules/{}/flag-pushes?drift=true", made.id);
    let drift = async || app.operator.get(&pushes).await.items::<FlagPush>();
    let refused = async || drift().await.into_iter().find(|row| row.last_error.is_some());
    let refused = tests::eventually("the refusal", refused).await;
    assert_eq!((refused.version, refused.confirmed_version), (1, 0));
    assert!(refused.last_error.unwrap().contains("9223372036854775808"));
    let key = app.key("module", None).await;
    let report = async |version: i64| {
        let items = json!([{"tenantId": acme.id, "version": version}]);
        let body = json!({"clientId": made.client_id, "items": items});
        key.post("/api/internal/feature-flags/applied", body).await
    };
    report((1 << 53) - 1).await.refused(400, "validation.failed");
    module.say(json!({"appliedVersion": 1}).to_string());
    app.clock.advance(chrono::TimeDelta::hours(1));
    tests::eventually("no drift", async || drift().await.is_empty().then_some(())).await;
    report((1 << 53) - 2).await.expect(200);
    module.until("a later version", |push| push.body["version"] == (1_i64 << 53) - 1).await;
    // What it has of us now is later than anything that it may have of its own.
    report((1 << 53) - 1).await.expect(200);
    module.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_provider_hears_when_to_evaluate_again() {
    use futures_util::StreamExt as _;
    let app = TestApp::start().await;
    let (acme, beta) = (app.tenant("acme").await, app.tenant("beta").await);
    app.operator.flag("f").await;
    let module = app.key("module", None).await;
    let ask = async |tenant: &str| {
        let body = json!({"context": {"targetingKey": "ann", "tenant": tenant}});
        module.post("/ofrep/v1/evaluate/flags", body).await.expect(200)
    };
    let bulk = ask("acme").await;
    let stream = &bulk["eventStreams"][0];
    assert_eq!((&stream["type"], &stream["inactivityDelaySec"]), (&json!("sse"), &json!(120)));
    // Without a header: a browser sends none.
    let response =
        app.anyone().request(reqwest::Method::GET, stream["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut chunks = response.bytes_stream();
    let mut heard = async || loop {
        let chunk = tokio::time::timeout(Duration::from_secs(30), chunks.next()).await.ok()??.ok()?;
        let text = String::from_utf8(chunk.to_vec()).unwrap();
        if text.contains("refetchEvaluation") {
            return Some(text);
        }
    };
    assert!(heard().await.is_some(), "who comes anew evaluates anew");
    // Nothing of another tenant's.
    app.operator.put("/api/v1/tenants/beta/flags/f", json!({"variant": "on"})).await.expect(200);
    app.operator.put("/api/v1/tenants/acme/flags/f", json!({"variant": "on"})).await.expect(200);
    let word = heard().await.expect("a word");
    assert!(word.contains("event: message") && word.contains("id: 2"), "{word}");
    assert_eq!(ask("acme").await["flags"][0]["value"], true);
    // From memory, and never stale: what was changed is what is answered next.
    for variant in ["off", "on", "off"] {
        app.operator.put("/api/v1/tenants/acme/flags/f", json!({"variant": variant})).await.expect(200);
        assert_eq!(ask("acme").await["flags"][0]["variant"], variant);
    }
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    let body = json!({"context": {"tenant": acme.id}});
    assert_eq!(module.post("/ofrep/v1/evaluate/flags", body).await.status, 400);
    assert_eq!(ask(&beta.id).await["flags"][0]["value"], true);
    for wrong in ["", "x", &"a".repeat(200)] {
        assert_eq!(app.anyone().get(&format!("/ofrep/v1/events?ticket={wrong}")).await.status, 401);
    }
    // Two replicas: a change at one is heard at the other.
    let (second, other) = app.replica().await;
    assert!(other.service.db.last_dispatched().is_some(), "it follows before it remembers anything");
    let body = json!({"context": {"targetingKey": "ann", "tenant": "beta"}});
    let elsewhere = second.with(module.bearer.as_deref().unwrap());
    assert_eq!(
        elsewhere.post("/ofrep/v1/evaluate/flags", body.clone()).await.expect(200)["flags"][0]["value"],
        true
    );
    app.operator.put("/api/v1/tenants/beta/flags/f", json!({"variant": "off"})).await.expect(200);
    tests::eventually("the other replica to hear", async || {
        let seen = elsewhere.post("/ofrep/v1/evaluate/flags", body.clone()).await.expect(200);
        (seen["flags"][0]["value"] == false).then_some(())
    })
    .await;
    other.stop().await;
    app.stop().await;
}
