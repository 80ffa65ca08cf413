//! Events to receivers: in order, signed, until they are taken; and to those who pull or follow.

mod following;
mod jetstream;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tests::{Delivery, DeliveryLog, Received, Receiver, Tenant, TestApp, WebhookEndpoint, eventually};

const ENDPOINTS: &str = "/api/v1/webhook-endpoints";

async fn endpoint(app: &TestApp, body: Value) -> (String, WebhookEndpoint) {
    let made: WebhookEndpoint = app.operator.post(ENDPOINTS, body).await.created();
    (format!("{ENDPOINTS}/{}", made.id), made)
}

fn names(of: &[Received]) -> Vec<String> {
    of.iter().map(|one| one.body["data"]["userName"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What was taken (answered 2xx), each id once, by tenant.
fn taken(receiver: &Receiver, took: impl Fn(usize) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut by_tenant: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, one) in receiver.all().into_iter().enumerate() {
        if took(at) && seen.insert(one.id.clone()) {
            let tenant = one.body["tenantid"].as_str().unwrap_or_default().to_owned();
            by_tenant.entry(tenant).or_default().extend(names(&[one]));
        }
    }
    by_tenant
}

#[actix_web::test]
async fn an_event_is_a_cloudevent_that_its_catalogue_describes_and_its_secret_proves() {
    let app = TestApp::start().await;
    let (hmac, ed25519) = (Receiver::start(), Receiver::start());
    let (path, made) = endpoint(&app, json!({"url": hmac.url, "eventTypes": ["user.*"]})).await;
    let other = json!({"url": ed25519.url, "algorithm": "ed25519"});
    let other = app.operator.post(ENDPOINTS, other).await.expect(201);
    assert!(other.get("secret").is_none());
    let other: WebhookEndpoint = serde_json::from_value(other).unwrap();
    let acme = app.tenant("acme").await;
    acme.user("ann").await;
    let event = hmac.until("the event", |_| true).await;
    assert_eq!(event.media_type, "application/cloudevents+json");
    let body = &event.body;
    assert_eq!(
        (body["specversion"].as_str(), body["type"].as_str(), body["tenantid"].as_str()),
        (Some("1.0"), Some("user.created"), Some(acme.id.as_str()))
    );
    assert_eq!((body["id"].as_str(), &body["timestamp"]), (Some(event.id.as_str()), &body["time"]));
    assert!(body.as_object().unwrap().keys().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase())));
    let schema = app.anyone().get(body["dataschema"].as_str().unwrap()).await.expect(200);
    assert!(schema["required"].as_array().unwrap().contains(&json!("userName")));
    let content =
        |event: &Received| [format!("{}.{}.", event.id, event.timestamp).as_bytes(), &event.raw].concat();
    let tag = |made: &WebhookEndpoint, event: &Received| {
        let secret = made.secret.as_deref().unwrap();
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        format!("v1,{}", STANDARD.encode(aws_lc_rs::hmac::sign(&key, &content(event))))
    };
    assert_eq!(event.signature, tag(&made, &event));
    // A public key is all that a receiver needs of the other kind.
    let signed = ed25519.until("the event", |one| one.body["type"] == "user.created").await;
    let public = STANDARD.decode(other.public_key.unwrap().strip_prefix("whpk_").unwrap()).unwrap();
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public);
    let signature = STANDARD.decode(signed.signature.strip_prefix("v1a,").unwrap()).unwrap();
    public.verify(&content(&signed), &signature).expect("the signature is ours");
    // For a day after its rotation the secret before signs too.
    let rotated: WebhookEndpoint = app.operator.post(&format!("{path}/rotate"), json!({})).await.found();
    assert_ne!(rotated.secret, made.secret);
    acme.user("bob").await;
    let event = hmac.until("bob", |one| one.body["data"]["userName"] == "bob").await;
    let wanted = format!("{} {}", tag(&rotated, &event), tag(&made, &event));
    assert_eq!(event.signature, wanted);
    app.clock.advance(TimeDelta::hours(25));
    acme.user("eve").await;
    let event = hmac.until("eve", |one| one.body["data"]["userName"] == "eve").await;
    assert_eq!(event.signature, tag(&rotated, &event));
    // An event without a tenant goes out too.
    app.operator.instance(json!({"name": "spare", "mode": "shared", "capacity": 5})).await;
    let platform = ed25519.until("a platform's event", |one| one.body["type"] == "instance.available").await;
    assert!(platform.body.get("tenantid").is_none());
    for (wrong, pointer) in [
        (json!({"url": hmac.url, "eventTypes": ["user.exploded"]}), "/eventTypes/0"),
        (json!({"url": hmac.url, "eventTypes": ["*"]}), "/eventTypes/0"),
        (json!({"url": hmac.url, "algorithm": "rsa"}), "/algorithm"),
    ] {
        let refused = app.operator.post(ENDPOINTS, wrong).await.refused(400, "validation.failed");
        assert_eq!(refused.pointer(), pointer);
    }
    hmac.stop().await;
    ed25519.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_receiver_that_fails_every_second_time_gets_all_in_order_and_delays_nobody() {
    let app = TestApp::start().await;
    let (shaky, well) = (Receiver::start(), Receiver::start());
    shaky.choose(|_, at| if at % 2 == 0 { 500 } else { 204 });
    for receiver in [&shaky, &well] {
        endpoint(&app, json!({"url": receiver.url, "eventTypes": ["user.created"]})).await;
    }
    let (acme, beta) = (app.tenant("acme").await, app.tenant("beta").await);
    let wanted: Vec<String> = (0..6).map(|number| format!("u{number}")).collect();
    for name in &wanted {
        acme.user(name).await;
        beta.user(name).await;
    }
    let of = |all: BTreeMap<String, Vec<String>>| (all.get(&acme.id).cloned(), all.get(&beta.id).cloned());
    let all = (Some(wanted.clone()), Some(wanted.clone()));
    eventually("the well one to have all", async || (of(taken(&well, |_| true)) == all).then_some(())).await;
    assert_eq!(well.all().len(), 12, "each once");
    eventually("the shaky one to have all, in order", async || {
        app.clock.advance(TimeDelta::minutes(1));
        (of(taken(&shaky, |at| at % 2 == 1)) == all).then_some(())
    })
    .await;
    assert_eq!(shaky.all().len(), 24, "each failed attempt once, each success once");
    shaky.stop().await;
    well.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_delivery_that_is_never_taken_holds_up_its_tenant_alone_and_ends_as_a_dead_letter() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    receiver.choose(|one, _| if one.body["data"]["userName"] == "poison" { 500 } else { 204 });
    endpoint(&app, json!({"url": receiver.url, "eventTypes": ["user.created"]})).await;
    let (acme, beta) = (app.tenant("acme").await, app.tenant("beta").await);
    acme.user("poison").await;
    acme.user("after").await;
    receiver.until("the poison", |one| one.body["data"]["userName"] == "poison").await;
    for number in 0..20 {
        beta.user(&format!("b{number}")).await;
    }
    receiver.until("beta's last", |one| one.body["data"]["userName"] == "b19").await;
    assert!(!names(&receiver.all()).contains(&"after".to_owned()), "it waits behind what is before it");
    // 75 hours of the schedule, at its own pace: one step after the other.
    let dead = eventually("a dead letter", async || {
        app.clock.advance(TimeDelta::seconds(60));
        tokio::time::sleep(Duration::from_millis(60)).await;
        app.operator.get("/api/v1/deliveries?status=dead").await.items::<Delivery>().into_iter().next()
    })
    .await;
    assert_eq!((dead.attempts, dead.response_status), (10, Some(500)));
    receiver.until("what came after it", |one| one.body["data"]["userName"] == "after").await;
    let path = format!("/api/v1/deliveries/{}", dead.id);
    let all: DeliveryLog = app.operator.get(&path).await.found();
    assert_eq!(all.log.len(), 10);
    assert_eq!(all.request_body["data"]["userName"], "poison");
    assert_eq!((all.log[0].error.as_deref(), all.log[0].response_status), (Some("answered 500"), Some(500)));
    receiver.say("thanks".to_owned());
    app.operator.post(&format!("{path}/retry"), json!({})).await.expect(200);
    let all = eventually("the retry", async || {
        let all: DeliveryLog = app.operator.get(&path).await.found();
        (all.status == "delivered").then_some(all)
    })
    .await;
    assert_eq!(all.log[10].response_body.as_deref(), Some("thanks"));
    receiver.stop().await;
    app.stop().await;
}

/// What waited at a disabled endpoint is not lost: it goes on when somebody enables it, each at its next attempt.
async fn what_waited_goes_on(app: &TestApp, endpoint: &str) {
    let id = endpoint.rsplit('/').next().expect("an id");
    let list = format!("/api/v1/deliveries?limit=200&status=pending&endpoint={id}");
    let waiting = async || {
        let all: Vec<Delivery> = app.operator.get(&list).await.items();
        all.into_iter().map(|one| one.id).collect::<BTreeSet<_>>()
    };
    let before = waiting().await;
    assert!(!before.is_empty(), "something waits");
    app.operator.patch(endpoint, json!({"enabled": true})).await.expect(200);
    eventually("what waited", async || {
        app.clock.advance(TimeDelta::minutes(1));
        waiting().await.is_disjoint(&before).then_some(())
    })
    .await;
    for id in before {
        let one: DeliveryLog = app.operator.get(&format!("/api/v1/deliveries/{id}")).await.found();
        assert_eq!(one.status, "delivered", "{id}");
    }
}

#[actix_web::test]
async fn a_dead_receiver_is_left_alone_and_after_days_given_up_with_a_notice() {
    let app = TestApp::start().await;
    let (dead, other) = (Receiver::start(), Receiver::start());
    dead.answer(503);
    let (path, _) = endpoint(&app, json!({"url": dead.url, "eventTypes": ["user.created"]})).await;
    endpoint(&app, json!({"url": other.url, "eventTypes": ["webhook_endpoint.*"]})).await;
    let tenants: Vec<Tenant> = futures_util::stream::iter(0..8)
        .then(|n| {
            let app = &app;
            async move { app.tenant(&format!("t{n}")).await }
        })
        .collect()
        .await;
    for tenant in &tenants {
        for number in 0..3 {
            tenant.user(&format!("u{number}")).await;
        }
    }
    let state = eventually("the breaker to open", async || {
        let state: WebhookEndpoint = app.operator.get(&path).await.found();
        state.paused_until.is_some().then_some(state)
    })
    .await;
    assert!(state.failures >= 5, "{state:?}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    // 24 wait; a round of eight and a few probes are all that it heard.
    assert!(dead.all().len() < 24, "{}", dead.all().len());
    // It is back: one probe, then all the rest, each tenant's in order.
    dead.answer(204);
    let wanted: Vec<String> = (0..3).map(|number| format!("u{number}")).collect();
    eventually("all that waited", async || {
        app.clock.advance(TimeDelta::seconds(10));
        let all = taken(&dead, |_| true);
        (all.len() == 8 && all.values().all(|names| *names == wanted)).then_some(())
    })
    .await;
    // Days of failures (at a base of 50 ms, 72 minutes are five days).
    dead.answer(500);
    tenants[0].user("last").await;
    let disabled = eventually("the notice", async || {
        app.clock.advance(TimeDelta::minutes(11));
        tenants[1].user(&format!("x{}", app.clock.now().timestamp_micros())).await;
        other.all().into_iter().next()
    })
    .await;
    assert_eq!(disabled.body["type"], "webhook_endpoint.disabled");
    let state: WebhookEndpoint = app.operator.get(&path).await.found();
    assert!(state.disabled_at.is_some() && state.disabled_reason.unwrap().contains("five days"));
    assert_eq!(app.audit("webhook_endpoint.disable").await.len(), 1);
    dead.answer(204);
    what_waited_goes_on(&app, &path).await;
    // 410: it wants nothing more, also when it failed before.
    dead.answer(500);
    tenants[2].user("gone").await;
    dead.until("an attempt", |one| one.body["data"]["userName"] == "gone").await;
    dead.answer(410);
    app.clock.advance(TimeDelta::seconds(1));
    eventually("the end", async || {
        let state: WebhookEndpoint = app.operator.get(&path).await.found();
        state.disabled_reason?.contains("410").then_some(())
    })
    .await;
    dead.stop().await;
    other.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn the_past_is_replayed_what_is_missing_or_all() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let since = app.clock.now();
    for name in ["ann", "bob"] {
        acme.user(name).await;
    }
    app.clock.advance(TimeDelta::hours(1));
    let until = app.clock.now();
    acme.user("later").await;
    eventually("the events", async || {
        let created = app.operator.get("/api/v1/events?limit=200&type=user.created").await.count();
        (created == 3).then_some(())
    })
    .await;
    let receiver = Receiver::start();
    let (path, _) = endpoint(&app, json!({"url": receiver.url, "eventTypes": ["user.created"]})).await;
    app.operator.post(&format!("{path}/replay"), json!({"since": since, "until": until})).await.expect(202);
    receiver.until("bob", |one| one.body["data"]["userName"] == "bob").await;
    assert_eq!(names(&receiver.all()), ["ann", "bob"]);
    eventually("both to be recorded as delivered", async || {
        (app.operator.get("/api/v1/deliveries?status=delivered").await.count() == 2).then_some(())
    })
    .await;
    // Nothing is missing now; all is all.
    app.operator.post(&format!("{path}/replay"), json!({"since": since, "deliver": "all"})).await.expect(202);
    receiver.until("the latest", |one| one.body["data"]["userName"] == "later").await;
    assert_eq!(names(&receiver.all()), ["ann", "bob", "ann", "bob", "later"]);
    let ids: Vec<String> = receiver.all().into_iter().map(|one| one.id).collect();
    assert_eq!((&ids[0], &ids[1]), (&ids[2], &ids[3]), "the same event, the same id");
    app.operator
        .post(&format!("{path}/replay"), json!({"since": until, "until": since}))
        .await
        .refused(400, "validation.failed");
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn what_is_old_goes_and_what_waited_for_it_is_a_dead_letter() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    receiver.choose(|one, _| if one.body["data"]["userName"] == "stuck" { 500 } else { 204 });
    endpoint(&app, json!({"url": receiver.url, "eventTypes": ["user.created"]})).await;
    let acme = app.tenant("acme").await;
    acme.user("ann").await;
    receiver.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    acme.user("stuck").await;
    receiver.until("the stuck one", |one| one.body["data"]["userName"] == "stuck").await;
    eventually("ann to be noted", async || {
        (app.operator.get("/api/v1/deliveries?status=delivered").await.count() == 1).then_some(())
    })
    .await;
    assert!(!app.events().await.is_empty());
    app.clock.advance(TimeDelta::days(31));
    app.sweep("outbox_event").await;
    app.sweep("webhook_delivery").await;
    let end = async |tx: &mut platform::PlatformTx| {
        platform::Work::housekeeping(tx);
        webhooks::end_without_event(tx).await
    };
    let ctx = platform::Ctx::system("test");
    app.running.service.db.write_platform(&ctx, end).await.unwrap();
    let left: Vec<Delivery> = app.operator.get("/api/v1/deliveries").await.items();
    let ended: Vec<Option<&str>> = left.iter().map(|one| one.last_error.as_deref()).collect();
    assert_eq!(ended, [Some("the event is no longer kept")]);
    let types: Vec<String> = app.events().await.into_iter().map(|event| event.kind).collect();
    assert!(!types.contains(&"tenant.activated".to_owned()), "{types:?}");
    receiver.stop().await;
    app.stop().await;
}
