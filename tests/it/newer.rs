//! Events that a newer replica wrote, while an upgrade replaces one replica after the other: they wait for one that can read them.

use chrono::TimeDelta;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tests::{Receiver, Tenant, TestApp, eventually};

use crate::jobs::{spelled, store};

const EVENT: &str = "00000000-0000-7000-8000-0000000000e1";
const CREATED: &str = "urn:ietf:params:scim:event:prov:create:notice";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// An event as another replica left it.
async fn emitted(app: &TestApp, tenant: Option<&Tenant>, kind: &str, data: &Value) {
    let id = spelled(app, EVENT);
    let tenant = tenant.map_or("NULL".to_owned(), |tenant| spelled(app, &tenant.id));
    let sql = format!(
        "INSERT INTO outbox_event (id, tenant_id, type, data, occurred_at) \
         VALUES ({id}, {tenant}, '{kind}', '{data}', '2026-11-21T12:00:00+00:00')"
    );
    execute(app, &sql).await;
}

/// A replica that can read the event, in effect: the words are now such that this one knows.
async fn understood(app: &TestApp, data: &Value) {
    execute(app, &format!("UPDATE outbox_event SET data = '{data}' WHERE id = {}", spelled(app, EVENT)))
        .await;
}

async fn execute(app: &TestApp, sql: &str) {
    let behind = store(app).await;
    behind.execute_unprepared(sql).await.expect("a row");
    behind.close().await.expect("closed");
}

#[actix_web::test]
async fn a_delivery_with_a_newer_word_waits_and_holds_up_no_other() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    let body = json!({"url": receiver.url, "format": "set"});
    let endpoint = app.operator.post("/api/v1/webhook-endpoints", body).await.expect(201);
    let audience = endpoint["id"].as_str().unwrap();
    let acme = app.tenant("acme").await;
    let ended = |reason: &str| json!({"userId": EVENT, "sessionId": EVENT, "reason": reason, "count": 1});
    emitted(&app, Some(&acme), "session.ended", &ended("a_word_of_tomorrow")).await;
    let deliveries = async |status: &str| {
        let list = app.operator.get(&format!("/api/v1/deliveries?status={status}")).await.expect(200);
        list["items"].as_array().unwrap().clone()
    };
    let waits = eventually("three attempts at it", async || {
        app.clock.advance(TimeDelta::seconds(1));
        deliveries("pending").await.into_iter().find(|one| one["attempts"].as_i64() >= Some(3))
    })
    .await;
    assert!(waits["lastError"].as_str().unwrap().contains("newer version"), "{waits}");
    // Its tenant's next event is sent while it waits for its next attempt, and the receiver is as well as it was.
    acme.user("ann").await;
    let keys = app.anyone().get("/oauth2/jwks").await.expect(200);
    let told = async |uri: &str| {
        eventually(uri, async || {
            let told = receiver.all().into_iter().map(|one| one.security_event(&keys, audience));
            told.into_iter().find(|claims| !claims["events"][uri].is_null())
        })
        .await
    };
    told(CREATED).await;
    assert_eq!(receiver.all().len(), 1, "nothing was sent of what can't be read");
    assert_eq!(deliveries("pending").await[0]["attempts"], waits["attempts"]);
    let path = format!("/api/v1/webhook-endpoints/{audience}");
    assert_eq!(app.operator.get(&path).await.expect(200)["failures"].as_i64().unwrap_or(0), 0);
    // As after the upgrade.
    understood(&app, &ended("revoked")).await;
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(told(REVOKED).await["jti"], EVENT);
    let log =
        app.operator.get(&format!("/api/v1/deliveries/{}", waits["id"].as_str().unwrap())).await.expect(200);
    let attempts = log["log"].as_array().unwrap();
    assert!(attempts[0]["error"].as_str().unwrap().contains("newer version"), "{log}");
    assert!(attempts[0]["responseStatus"].is_null() && attempts.last().unwrap()["error"].is_null(), "{log}");
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_delivery_that_nobody_ever_can_read_is_a_dead_letter() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    app.operator
        .post("/api/v1/webhook-endpoints", json!({"url": receiver.url, "format": "set"}))
        .await
        .expect(201);
    let acme = app.tenant("acme").await;
    let ended = json!({"reason": "a_word_of_tomorrow", "count": 1});
    emitted(&app, Some(&acme), "session.ended", &ended).await;
    let dead = eventually("a dead letter", async || {
        app.clock.advance(TimeDelta::minutes(1));
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        let dead = app.operator.get("/api/v1/deliveries?status=dead").await.expect(200);
        dead["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((dead["attempts"].as_i64(), dead["eventType"].as_str()), (Some(10), Some("session.ended")));
    assert!(receiver.all().is_empty());
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn an_event_that_a_subscriber_cannot_read_yet_is_dispatched_alone() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    let body = json!({"url": receiver.url, "eventTypes": ["user.*", "flag.*"]});
    app.operator.post("/api/v1/webhook-endpoints", body).await.expect(201);
    let acme = app.tenant("acme").await;
    emitted(&app, None, "flag.changed", &json!({"key": ["of", "tomorrow"]})).await;
    let job = eventually("the event's own job", async || {
        let jobs = app.operator.get("/api/v1/jobs?kind=outbox.dispatch").await.expect(200);
        jobs["items"].as_array().unwrap().iter().find(|job| job["lastError"].is_string()).cloned()
    })
    .await;
    assert!(job["lastError"].as_str().unwrap().contains("can't read the event"), "{job}");
    acme.user("ann").await;
    receiver.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    understood(&app, &json!({"key": "of_tomorrow"})).await;
    let retry = format!("/api/v1/jobs/{}/retry", job["id"].as_str().unwrap());
    eventually("the job to wait", async || {
        (app.operator.post(&retry, Value::Null).await.status == 200).then_some(())
    })
    .await;
    receiver.until("the event", |one| one.id == EVENT).await;
    receiver.stop().await;
    app.stop().await;
}
