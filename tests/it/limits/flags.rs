//! Flags: how much a definition may hold, what an evaluation may be asked, how long a ticket opens a stream.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use tests::TestApp;

use super::{multiply, points_to, rows};

#[actix_web::test]
async fn a_definition_is_bounded_in_every_direction() {
    let app = TestApp::start().await;
    let variants = |count: usize| -> Map<String, Value> {
        (0..count).map(|at| (format!("v{at}"), json!("x"))).collect()
    };
    let rules = |count: usize, values: usize| -> Vec<Value> {
        let values: Vec<String> = (0..values).map(|at| format!("x{at}")).collect();
        vec![json!({"when": {"plan": values}, "variant": "v0"}); count]
    };
    let make = async |key: &str, more: Value| {
        let mut body = json!({"key": key, "type": "string", "variants": variants(1), "defaultVariant": "v0"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        app.operator.post("/api/v1/flags", body).await
    };
    make("wide", json!({"variants": variants(50)})).await.expect(201);
    points_to(make("wider", json!({"variants": variants(51)})).await, "/variants");
    make("ruled", json!({"rules": rules(100, 1)})).await.expect(201);
    points_to(make("ruled-more", json!({"rules": rules(101, 1)})).await, "/rules");
    make("long", json!({"rules": rules(1, 1_000)})).await.expect(201);
    let refused = make("longer", json!({"rules": rules(1, 1_001)})).await.refused(400, "validation.failed");
    assert!(refused.pointer().starts_with("/rules/0/"), "{refused:?}");
    multiply(&app, "flag", 21, |at| vec![("key", format!("p{at}").into())]).await;
    let needs = |count: usize| -> Vec<Value> {
        (0..count).map(|at| json!({"flag": format!("p{at}"), "variant": "v0"})).collect()
    };
    make("needs", json!({"prerequisites": needs(20)})).await.expect(201);
    points_to(make("needs-more", json!({"prerequisites": needs(21)})).await, "/prerequisites");
    app.stop().await;
}

#[actix_web::test]
async fn an_ofrep_context_has_a_hundred_attributes_and_a_report_a_thousand_tenants() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let module = app.key("module", None).await;
    app.operator.flag("beta").await;
    let context = |attributes: usize| {
        let mut context: Map<String, Value> =
            (1..attributes).map(|at| (format!("a{at}"), json!("x"))).collect();
        context.insert("tenant".to_owned(), json!("acme"));
        json!({"context": context})
    };
    let ask = async |attributes| module.post("/ofrep/v1/evaluate/flags", context(attributes)).await;
    ask(100).await.expect(200);
    assert_eq!(ask(101).await.expect(400)["errorCode"], "INVALID_CONTEXT");
    let client = app.operator.module("m", "http://127.0.0.1:9").await.client_id;
    let report = async |count: usize| {
        let items = vec![json!({"tenantId": acme.id, "version": 1}); count];
        let body = json!({"clientId": client, "items": items});
        module.post("/api/internal/feature-flags/applied", body).await
    };
    report(1_000).await.expect(200);
    points_to(report(1_001).await, "/items");
    app.stop().await;
}

#[actix_web::test]
async fn a_ticket_opens_a_stream_for_24_hours() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let module = app.key("module", None).await;
    app.operator.flag("beta").await;
    let asked =
        module.post("/ofrep/v1/evaluate/flags", json!({"context": {"tenant": "acme"}})).await.expect(200);
    let url = asked["eventStreams"][0]["url"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned();
    let open =
        async || app.anyone().request(reqwest::Method::GET, &url).send().await.expect("an answer").status();
    app.clock.advance(TimeDelta::minutes(24 * 60 - 1));
    assert_eq!(open().await, 200);
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(open().await, 401);
    app.stop().await;
}

#[actix_web::test]
async fn a_change_reaches_all_tenants_a_hundred_at_a_time() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    app.operator.module("m", "http://127.0.0.1:9").await;
    multiply(&app, "tenant", 120, |at| {
        vec![
            ("id", platform::ids::new().into()),
            ("slug", format!("t{at}").into()),
            ("identity_external_id", format!("org_t{at}").into()),
        ]
    })
    .await;
    app.operator.flag("beta").await;
    tests::eventually("a push for each tenant", async || {
        (rows(&app, "flag_push").await == 121).then_some(())
    })
    .await;
    app.stop().await;
}
