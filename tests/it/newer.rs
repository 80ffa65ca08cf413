//! Events that a newer replica wrote, while an upgrade replaces one replica after the other: they wait for one that can read them.

use chrono::TimeDelta;
use platform::config::Config;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tests::{Delivery, DeliveryLog, Receiver, Tenant, TestApp, WebhookEndpoint, eventually};

use crate::jobs::{retried, spelled, store};

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
    // The fourth attempt is due six hours after the third one, which only the clock's steps bring about.
    let minute = |config: &mut Config| config.section_mut::<delivery::Settings>().retry_base_ms = 60_000;
    let app = TestApp::with(minute).await;
    let receiver = Receiver::start();
    let body = json!({"url": receiver.url, "format": "set"});
    let audience = &app.operator.post("/api/v1/webhook-endpoints", body).await.created_id();
    let acme = app.tenant("acme").await;
    let ended = |reason: &str| json!({"userId": EVENT, "sessionId": EVENT, "reason": reason, "count": 1});
    emitted(&app, Some(&acme), "session.ended", &ended("a_word_of_tomorrow")).await;
    let deliveries = async |status: &str| {
        app.operator.get(&format!("/api/v1/deliveries?status={status}")).await.items::<Delivery>()
    };
    let tried = async |times: i64| {
        eventually(&format!("attempt {times}"), async || {
            deliveries("pending").await.into_iter().find(|one| one.attempts == times)
        })
        .await
    };
    tried(1).await;
    app.clock.advance(TimeDelta::minutes(2));
    tried(2).await;
    app.clock.advance(TimeDelta::hours(2));
    let waits = tried(3).await;
    assert!(waits.last_error.as_ref().unwrap().contains("newer version"), "{waits:?}");
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
    // The receiver has the other one before the service has recorded that it has.
    let pending = deliveries("pending").await.into_iter().find(|one| one.id == waits.id);
    assert_eq!(pending.expect("it waits").attempts, waits.attempts);
    let path = format!("/api/v1/webhook-endpoints/{audience}");
    assert_eq!(app.operator.get(&path).await.found::<WebhookEndpoint>().failures, 0);
    // As after the upgrade.
    understood(&app, &ended("revoked")).await;
    app.clock.advance(TimeDelta::hours(7));
    assert_eq!(told(REVOKED).await["jti"], EVENT);
    let log = eventually("its success to be recorded", async || {
        let path = format!("/api/v1/deliveries/{}", waits.id);
        let log: DeliveryLog = app.operator.get(&path).await.found();
        log.log.last().unwrap().error.is_none().then_some(log)
    })
    .await;
    let first = log.log.first().unwrap();
    assert!(first.error.as_ref().unwrap().contains("newer version"), "{log:?}");
    assert!(first.response_status.is_none(), "{log:?}");
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
        app.operator.get("/api/v1/deliveries?status=dead").await.items::<Delivery>().into_iter().next()
    })
    .await;
    assert_eq!((dead.attempts, dead.event_type.as_str()), (10, "session.ended"));
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
        let jobs = app.operator.jobs("kind=outbox.dispatch").await;
        jobs.into_iter().find(|job| job.last_error.is_some())
    })
    .await;
    assert!(job.last_error.as_ref().unwrap().contains("can't read the event"), "{job:?}");
    acme.user("ann").await;
    receiver.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    understood(&app, &json!({"key": "of_tomorrow"})).await;
    retried(&app, &job, &receiver, EVENT).await;
    receiver.stop().await;
    app.stop().await;
}
