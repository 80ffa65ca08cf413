//! Events to receivers: in order, signed, until they are taken; and to those who pull or follow.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tests::{Received, Receiver, Tenant, TestApp, eventually};

const ENDPOINTS: &str = "/api/v1/webhook-endpoints";

async fn endpoint(app: &TestApp, body: Value) -> (String, Value) {
    let made = app.operator.post(ENDPOINTS, body).await.expect(201);
    (format!("{ENDPOINTS}/{}", made["id"].as_str().unwrap()), made)
}

async fn user(tenant: &Tenant, name: &str) {
    tenant.scim.post("/scim/v2/Users", json!({"userName": name})).await.expect(201);
}

fn names(of: &[Received]) -> Vec<String> {
    of.iter().map(|one| one.body["data"]["userName"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What was taken (answered 2xx), each id once, by tenant.
fn taken(receiver: &Receiver, took: impl Fn(usize) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut seen = std::collections::BTreeSet::new();
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
    let (_, other) = endpoint(&app, json!({"url": ed25519.url, "algorithm": "ed25519"})).await;
    assert!(other.get("secret").is_none());
    let acme = app.tenant("acme").await;
    user(&acme, "ann").await;
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
    let tag = |secret: &Value, event: &Received| {
        let key = STANDARD.decode(secret.as_str().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        format!("v1,{}", STANDARD.encode(aws_lc_rs::hmac::sign(&key, &content(event))))
    };
    assert_eq!(event.signature, tag(&made["secret"], &event));
    // A public key is all that a receiver needs of the other kind.
    let signed = ed25519.until("the event", |one| one.body["type"] == "user.created").await;
    let public =
        STANDARD.decode(other["publicKey"].as_str().unwrap().strip_prefix("whpk_").unwrap()).unwrap();
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public);
    let signature = STANDARD.decode(signed.signature.strip_prefix("v1a,").unwrap()).unwrap();
    public.verify(&content(&signed), &signature).expect("the signature is ours");
    // For a day after its rotation the secret before signs too.
    let rotated = app.operator.post(&format!("{path}/rotate"), json!({})).await.expect(200);
    assert_ne!(rotated["secret"], made["secret"]);
    user(&acme, "bob").await;
    let event = hmac.until("bob", |one| one.body["data"]["userName"] == "bob").await;
    let wanted = format!("{} {}", tag(&rotated["secret"], &event), tag(&made["secret"], &event));
    assert_eq!(event.signature, wanted);
    app.clock.advance(TimeDelta::hours(25));
    user(&acme, "eve").await;
    let event = hmac.until("eve", |one| one.body["data"]["userName"] == "eve").await;
    assert_eq!(event.signature, tag(&rotated["secret"], &event));
    // An event without a tenant goes out too.
    app.operator
        .post("/api/v1/instances", json!({"name": "spare", "mode": "shared", "capacity": 5}))
        .await
        .expect(201);
    let platform = ed25519.until("a platform's event", |one| one.body["type"] == "instance.available").await;
    assert!(platform.body.get("tenantid").is_none());
    for (wrong, pointer) in [
        (json!({"url": hmac.url, "eventTypes": ["user.exploded"]}), "/eventTypes/0"),
        (json!({"url": hmac.url, "eventTypes": ["*"]}), "/eventTypes/0"),
        (json!({"url": hmac.url, "algorithm": "rsa"}), "/algorithm"),
    ] {
        let refused = app.operator.post(ENDPOINTS, wrong).await.refused(400, "validation.failed");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
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
        user(&acme, name).await;
        user(&beta, name).await;
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
    user(&acme, "poison").await;
    user(&acme, "after").await;
    receiver.until("the poison", |one| one.body["data"]["userName"] == "poison").await;
    for number in 0..20 {
        user(&beta, &format!("b{number}")).await;
    }
    receiver.until("beta's last", |one| one.body["data"]["userName"] == "b19").await;
    assert!(!names(&receiver.all()).contains(&"after".to_owned()), "it waits behind what is before it");
    // 75 hours of the schedule, at its own pace: one step after the other.
    let dead = eventually("a dead letter", async || {
        app.clock.advance(TimeDelta::seconds(60));
        tokio::time::sleep(Duration::from_millis(60)).await;
        let dead = app.operator.get("/api/v1/deliveries?status=dead").await.expect(200);
        dead["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((dead["attempts"].as_i64(), dead["responseStatus"].as_i64()), (Some(10), Some(500)));
    receiver.until("what came after it", |one| one.body["data"]["userName"] == "after").await;
    let path = format!("/api/v1/deliveries/{}", dead["id"].as_str().unwrap());
    let log = app.operator.get(&path).await.expect(200);
    assert_eq!(log["log"].as_array().unwrap().len(), 10);
    assert_eq!(log["requestBody"]["data"]["userName"], "poison");
    assert_eq!(
        (&log["log"][0]["error"], &log["log"][0]["responseStatus"]),
        (&json!("answered 500"), &json!(500))
    );
    receiver.say("thanks".to_owned());
    app.operator.post(&format!("{path}/retry"), json!({})).await.expect(200);
    let log = eventually("the retry", async || {
        let log = app.operator.get(&path).await.expect(200);
        (log["status"] == "delivered").then_some(log)
    })
    .await;
    assert_eq!(log["log"][10]["responseBody"], "thanks");
    receiver.stop().await;
    app.stop().await;
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
            user(tenant, &format!("u{number}")).await;
        }
    }
    let state = eventually("the breaker to open", async || {
        let state = app.operator.get(&path).await.expect(200);
        state["pausedUntil"].is_string().then_some(state)
    })
    .await;
    assert!(state["failures"].as_i64() >= Some(5), "{state}");
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
    user(&tenants[0], "last").await;
    let disabled = eventually("the notice", async || {
        app.clock.advance(TimeDelta::minutes(11));
        user(&tenants[1], &format!("x{}", app.clock.now().timestamp_micros())).await;
        other.all().into_iter().next()
    })
    .await;
    assert_eq!(disabled.body["type"], "webhook_endpoint.disabled");
    let state = app.operator.get(&path).await.expect(200);
    assert!(
        state["disabledAt"].is_string() && state["disabledReason"].as_str().unwrap().contains("five days")
    );
    assert_eq!(app.audit("webhook_endpoint.disable").await.len(), 1);
    // What waited is not lost: it goes on when somebody enables it.
    dead.answer(204);
    app.operator.patch(&path, json!({"enabled": true})).await.expect(200);
    dead.until("what waited", |one| one.body["data"]["userName"] == "last").await;
    // 410: it wants nothing more, also when it failed before.
    dead.answer(500);
    user(&tenants[2], "gone").await;
    dead.until("an attempt", |one| one.body["data"]["userName"] == "gone").await;
    dead.answer(410);
    app.clock.advance(TimeDelta::seconds(1));
    eventually("the end", async || {
        let state = app.operator.get(&path).await.expect(200);
        state["disabledReason"].as_str()?.contains("410").then_some(())
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
        user(&acme, name).await;
    }
    app.clock.advance(TimeDelta::hours(1));
    let until = app.clock.now();
    user(&acme, "later").await;
    eventually("the events", async || {
        let told = app.operator.get("/api/v1/events?limit=200&type=user.created").await.expect(200);
        (told["items"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    let receiver = Receiver::start();
    let (path, _) = endpoint(&app, json!({"url": receiver.url, "eventTypes": ["user.created"]})).await;
    app.operator.post(&format!("{path}/replay"), json!({"since": since, "until": until})).await.expect(202);
    receiver.until("bob", |one| one.body["data"]["userName"] == "bob").await;
    assert_eq!(names(&receiver.all()), ["ann", "bob"]);
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

/// Events of a stream, as they come.
async fn follow(response: reqwest::Response) -> impl futures_util::Stream<Item = (String, Value)> {
    let mut rest = String::new();
    let chunks = response.bytes_stream().map(move |chunk| {
        rest.push_str(std::str::from_utf8(&chunk.unwrap_or_default()).expect("UTF-8"));
        let mut found = Vec::new();
        while let Some((frame, after)) = rest.split_once("\n\n") {
            let of = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(id), Some(data)) = (of("id: "), of("data: ")) {
                found.push((id, serde_json::from_str(&data).expect("JSON")));
            }
            rest = after.to_owned();
        }
        futures_util::stream::iter(found)
    });
    Box::pin(chunks.flatten())
}

#[actix_web::test]
async fn events_are_pulled_or_followed_live_and_none_is_missed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let beta = app.tenant("beta").await;
    let key = app.operator.post("/api/v1/keys", json!({"name": "k", "role": "operator"})).await.expect(201);
    let reader = app.operator.with(key["token"].as_str().unwrap());
    let path = format!("/api/v1/events/stream?type=user.*&tenant={}", acme.id);
    let stream = reader.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut live = follow(stream).await;
    user(&acme, "ann").await;
    user(&beta, "not for us").await;
    user(&acme, "bob").await;
    let mut last = String::new();
    for name in ["ann", "bob"] {
        let (id, event) =
            tokio::time::timeout(Duration::from_secs(5), live.next()).await.expect("an event").unwrap();
        assert_eq!(
            (event["data"]["userName"].as_str(), event["id"].as_str()),
            (Some(name), Some(id.as_str()))
        );
        last = id;
    }
    drop(live);
    user(&acme, "while away").await;
    // Back: what came meanwhile comes first.
    let again = reader.request(reqwest::Method::GET, &path).header("Last-Event-ID", &last);
    let mut live = follow(again.send().await.unwrap()).await;
    let (_, event) =
        tokio::time::timeout(Duration::from_secs(5), live.next()).await.expect("an event").unwrap();
    assert_eq!(event["data"]["userName"], "while away");
    // The same by pulling: after what was seen.
    let pulled = reader.get(&format!("/api/v1/events?type=user.*&after={last}")).await.expect(200);
    assert_eq!(pulled["items"][0]["data"]["userName"], "while away");
    assert_eq!(pulled["items"].as_array().unwrap().len(), 1);
    let sequences: Vec<String> =
        app.events().await.iter().map(|event| event["sequence"].as_str().unwrap().to_owned()).collect();
    assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "one order, and it is sortable as text");
    // Every event is what the catalogue's JSON Schema says, in the eyes of PyPI's jsonschema.
    let types = app.operator.get("/api/v1/event-types").await.expect(200);
    let given = json!({"types": types["items"], "events": app.events().await});
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut python = tokio::process::Command::new(format!("{fixtures}/.venv/bin/python"));
    python.arg("event_schemas.py").current_dir(fixtures).stdin(std::process::Stdio::piped());
    let mut python = python.spawn().expect("tests/run installs Python's packages");
    let mut input = python.stdin.take().expect("its input");
    tokio::io::AsyncWriteExt::write_all(&mut input, given.to_string().as_bytes()).await.expect("it reads");
    drop(input);
    assert!(python.wait().await.expect("it ends").success());
    // A key that is revoked follows no longer.
    app.operator.delete(&format!("/api/v1/keys/{}", key["id"].as_str().unwrap())).await;
    let ended = tokio::time::timeout(Duration::from_secs(12), live.next()).await.expect("the stream ends");
    assert!(ended.is_none());
    for wrong in ["type=user", "type=nothing.happened", "after=x", "tenant=x"] {
        assert_eq!(app.operator.get(&format!("/api/v1/events?{wrong}")).await.status, 400, "{wrong}");
    }
    app.stop().await;
}

/// A NATS server with JetStream, started by `tests/nats`.
struct Nats {
    port: u16,
    folder: tempfile::TempDir,
    child: Option<tokio::process::Child>,
}

impl Nats {
    fn new() -> Self {
        Self { port: tests::free_port(), folder: tempfile::tempdir().expect("a folder"), child: None }
    }

    async fn start(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/nats");
        let mut command = tokio::process::Command::new(script);
        command.arg(self.port.to_string()).arg(self.folder.path()).kill_on_drop(true);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        self.child = Some(command.spawn().expect("tests/nats runs"));
        eventually("NATS", async || tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok())
            .await;
    }

    async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("killed");
        }
    }

    /// What the stream holds: (subject, Nats-Msg-Id, event).
    async fn stored(&self) -> Vec<(String, String, Value)> {
        let client = async_nats::connect(format!("nats://127.0.0.1:{}", self.port)).await.expect("NATS");
        let stream = async_nats::jetstream::new(client).get_stream("TENANTRY").await.expect("the stream");
        let consumer = stream
            .create_consumer(async_nats::jetstream::consumer::pull::OrderedConfig::default())
            .await
            .expect("a consumer");
        let count = stream.cached_info().state.messages;
        let mut messages = consumer.messages().await.expect("messages").take(count as usize);
        let mut stored = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.expect("a message");
            let id = message
                .headers
                .as_ref()
                .and_then(|headers| headers.get("Nats-Msg-Id"))
                .map(ToString::to_string);
            let event = serde_json::from_slice(&message.payload).expect("JSON");
            stored.push((message.subject.to_string(), id.unwrap_or_default(), event));
        }
        stored
    }
}

#[actix_web::test]
async fn jetstream_gets_every_event_once_in_order_also_after_it_was_away() {
    let mut nats = Nats::new();
    nats.start().await;
    let url = format!("nats://127.0.0.1:{}", nats.port);
    let app = TestApp::with(|config| config.section_mut::<webhooks::Nats>().url = url.into()).await;
    let acme = app.tenant("acme").await;
    user(&acme, "ann").await;
    let all = async |name: &str| {
        eventually(&format!("{name} on JetStream"), async || {
            let stored = nats.stored().await;
            stored.iter().any(|(_, _, event)| event["data"]["userName"] == name).then_some(stored)
        })
        .await
    };
    let stored = all("ann").await;
    let (subject, id, event) = stored.last().unwrap();
    assert_eq!((subject.as_str(), event["id"].as_str()), ("tenantry.events.user.created", Some(id.as_str())));
    assert_eq!(event["tenantid"], acme.id.as_str());
    nats.stop().await;
    for number in 0..20 {
        user(&acme, &format!("away{number}")).await;
    }
    nats.start().await;
    app.clock.advance(TimeDelta::minutes(2));
    user(&acme, "back").await;
    let stored = eventually("all on JetStream", async || {
        app.clock.advance(TimeDelta::seconds(5));
        let stored = nats.stored().await;
        stored.iter().any(|(_, _, event)| event["data"]["userName"] == "back").then_some(stored)
    })
    .await;
    let wanted: Vec<Value> = app.events().await.into_iter().map(|event| event["id"].clone()).collect();
    let got: Vec<Value> = stored.into_iter().map(|(_, id, _)| json!(id)).collect();
    assert_eq!(got, wanted, "each once, in the feed's order");
    app.stop().await;
}

#[actix_web::test]
async fn a_developer_gets_events_on_their_own_machine() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    user(&acme, "before").await;
    // The feed has what was told: until then it is news, also to who listens from now on.
    eventually("the user to be told of", async || {
        app.events().await.iter().any(|event| event["data"]["userName"] == "before").then_some(())
    })
    .await;
    let local = Receiver::start();
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_crashable"));
    command
        .args(["webhook", "listen", "--json", "--events", "user.*", "--forward-to", &local.url])
        .args(["--url", &app.operator.base, "--key", app.operator.bearer.as_deref().unwrap()])
        .env_clear()
        .env("TENANTRY_DATA_DIR", folder.path())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("it starts");
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let first: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    user(&acme, "ann").await;
    let event = local.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    assert_eq!(names(&local.all()), ["ann"], "what was before is not news");
    let key = STANDARD.decode(first["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
    let content = [format!("{}.{}.", event.id, event.timestamp).as_bytes(), &event.raw].concat();
    let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key), &content);
    assert_eq!(event.signature, format!("v1,{}", STANDARD.encode(tag)));
    let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!((&line["type"], &line["answer"]), (&json!("user.created"), &json!("204")));
    // A wrong key is said at once.
    let mut wrong = tokio::process::Command::new(env!("CARGO_BIN_EXE_crashable"));
    wrong.args([
        "webhook",
        "listen",
        "--forward-to",
        &local.url,
        "--url",
        &app.operator.base,
        "--key",
        "wrong",
    ]);
    let ended = wrong.env_clear().env("TENANTRY_DATA_DIR", folder.path()).output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("401"));
    local.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn what_is_old_goes_and_what_waited_for_it_is_a_dead_letter() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    receiver.choose(|one, _| if one.body["data"]["userName"] == "stuck" { 500 } else { 204 });
    endpoint(&app, json!({"url": receiver.url, "eventTypes": ["user.created"]})).await;
    let acme = app.tenant("acme").await;
    user(&acme, "ann").await;
    receiver.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    user(&acme, "stuck").await;
    receiver.until("the stuck one", |one| one.body["data"]["userName"] == "stuck").await;
    eventually("ann to be noted", async || {
        let done = app.operator.get("/api/v1/deliveries?status=delivered").await.expect(200);
        (done["items"].as_array().unwrap().len() == 1).then_some(())
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
    let kept = app.operator.get("/api/v1/deliveries").await.expect(200);
    let kept = kept["items"].as_array().unwrap();
    let ended: Vec<&Value> = kept.iter().map(|one| &one["lastError"]).collect();
    assert_eq!(ended, ["the event is no longer kept"]);
    let types: Vec<Value> = app.events().await.into_iter().map(|event| event["type"].clone()).collect();
    assert!(!types.contains(&json!("tenant.activated")), "{types:?}");
    receiver.stop().await;
    app.stop().await;
}
