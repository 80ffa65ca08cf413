use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Receiver, TestApp};

#[actix_web::test]
async fn a_module_gets_each_change_signed_with_a_growing_version() {
    let app = TestApp::start().await;
    let module = Receiver::start();
    let made =
        app.operator.post("/api/v1/modules", json!({"name": "m", "baseUrl": module.url})).await.expect(201);
    app.operator.post("/api/v1/flags", json!({"key": "beta", "type": "boolean"})).await.expect(201);
    let gated = json!({"key": "export", "type": "string", "variants": {"csv": "csv", "off": "off"}, "defaultVariant": "csv", "plans": ["enterprise"]});
    app.operator.post("/api/v1/flags", gated).await.expect(201);
    let acme = app.tenant("acme").await;
    let first = module.until("the first push", |push| push.body["tenantId"] == acme.id.as_str()).await;
    assert_eq!(first.path, "/api/internal/feature-flags/apply");
    assert_eq!(first.body["flags"], json!({"beta": false, "export": "off"}));
    assert_eq!(first.body["tenantSlug"], "acme");
    let secret = made["webhookSecret"].as_str().unwrap().strip_prefix("whsec_").unwrap();
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
    let seen = app.operator.get("/api/v1/tenants/acme/flags/export").await.expect(200);
    assert_eq!((seen["value"].as_str(), seen["reason"].as_str()), (Some("csv"), Some("STATIC")));
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
async fn a_module_that_fails_is_told_until_it_confirms_and_delays_nobody() {
    let app = TestApp::with(|config| config.outbound.timeout = Duration::from_secs(3)).await;
    let (dead, failing, well) = (Receiver::start(), Receiver::start(), Receiver::start());
    dead.answer(0);
    for (name, module) in [("dead", &dead), ("failing", &failing), ("well", &well)] {
        app.operator.post("/api/v1/modules", json!({"name": name, "baseUrl": module.url})).await.expect(201);
    }
    app.operator.post("/api/v1/flags", json!({"key": "beta", "type": "boolean"})).await.expect(201);
    for number in 0..5 {
        app.tenant(&format!("t{number}")).await;
    }
    failing.until("the last tenant's first push", |push| push.body["tenantSlug"] == "t4").await;
    failing.answer(503);
    let begun = Instant::now();
    app.operator.put("/api/v1/tenants/t0/flags/beta", json!({"variant": "on"})).await.expect(200);
    well.until("the push", |push| push.body["flags"]["beta"] == true).await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "a hanging module held up another: {:?}",
        begun.elapsed()
    );
    failing.until("some attempts", |push| push.body["flags"]["beta"] == true).await;
    let before = failing.all().len();
    failing.answer(204);
    failing.until("an attempt that is confirmed", |push| push.body["flags"]["beta"] == true).await;
    tests::eventually("the failing module to be told once more", async || {
        (failing.all().len() > before).then_some(())
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
    app.operator
        .post("/api/v1/webhook-endpoints", json!({"url": some.url, "eventTypes": ["user.created"]}))
        .await
        .expect(201);
    some.answer(500);
    let acme = app.tenant("acme").await;
    let ann = acme.scim.post("/scim/v2/Users", json!({"userName": "ann"})).await.expect(201);
    let event = all.until("the event", |one| one.body["type"] == "user.created").await;
    assert_eq!(
        (event.body["data"]["userId"].clone(), event.body["tenantId"].as_str()),
        (ann["id"].clone(), Some(acme.id.as_str()))
    );
    some.until("an attempt", |_| true).await;
    some.answer(204);
    let delivered = tests::eventually("the delivery", async || {
        let list = app.operator.get("/api/v1/deliveries?limit=200").await.expect(200);
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["status"] == "delivered" && one["attempts"].as_i64() > Some(1))
            .cloned()
    })
    .await;
    assert_eq!(delivered["eventId"], event.body["id"]);
    assert!(some.all().iter().all(|one| one.body["type"] == "user.created" && one.id == event.id));
    let feed = app.operator.get("/api/v1/events?limit=200").await.expect(200);
    assert!(feed["items"].as_array().unwrap().iter().any(|one| one["type"] == "tenant.activated"));
    all.stop().await;
    some.stop().await;
    app.stop().await;
}
