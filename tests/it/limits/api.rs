//! Bodies, lists, names, keys: what every route shares, and what plans, instances and reservations may be.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Client, Instance, ListPage, Reply, TestApp};

use super::{long, multiply, points_to};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

async fn send(client: &Client, path: &str, media: &str, body: String) -> Reply {
    Reply::read(client.request(Method::POST, path).header("content-type", media).body(body)).await
}

/// Spaces around JSON mean nothing, and count.
fn padded(value: &Value, bytes: usize) -> String {
    let text = value.to_string();
    format!("{text}{}", " ".repeat(bytes - text.len()))
}

#[actix_web::test]
async fn a_body_has_the_bytes_of_its_route_and_none_more() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let (json, scim, form) =
        ("application/json", "application/scim+json", "application/x-www-form-urlencoded");
    let batches = "/api/v1/tenants/acme/invitations/bulk";
    let connections = "/api/v1/tenants/acme/organizations/default/connections";
    for (client, path, media, most) in [
        (&app.operator, "/api/v1/tenants", json, MIB),
        (&acme.admin, connections, json, 2 * MIB),
        (&acme.admin, batches, json, 8 * MIB),
        (&acme.scim, "/scim/v2/Users", scim, 16 * MIB),
        (&acme.scim, "/scim/v2/Bulk", scim, 4 * MIB),
        (&acme.scim, "/scim/v2/Users/.search", scim, 64 * KIB),
        (&app.anyone(), "/oauth2/token", form, 64 * KIB),
        (&app.anyone(), "/oauth2/introspect", form, 64 * KIB),
        (&app.anyone(), "/api/v1/join", json, 16 * KIB),
        (&app.anyone(), "/api/webhooks/stripe", json, 256 * KIB),
    ] {
        let fits = send(client, path, media, padded(&json!({}), most)).await;
        assert_ne!(fits.status, 413, "{path}: {}", fits.text);
        let more = send(client, path, media, padded(&json!({}), most + 1)).await;
        assert_eq!(more.status, 413, "{path}: {}", more.text);
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_request_target_has_64_kib_and_a_request_96_headers() {
    let app = TestApp::start().await;
    let key = app.operator.bearer.clone().unwrap();
    let ask = async |path: &str, more: &str| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n{more}\r\n"
        );
        let mut socket = tokio::net::TcpStream::connect(app.running.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        let read = tokio::time::timeout(Duration::from_secs(30), socket.read_exact(&mut answer)).await;
        read.expect("in time").map(|_| String::from_utf8_lossy(&answer[9..]).into_owned()).unwrap_or_default()
    };
    assert_eq!(ask(&format!("/api/v1/plans/{}", long(60 * KIB)), "").await, "404");
    let said = ask(&format!("/api/v1/plans/{}", long(64 * KIB)), "").await;
    assert_eq!(said, "400");
    let headers = |count: usize| -> String { (0..count).map(|at| format!("x-{at}: y\r\n")).collect() };
    assert_eq!(ask("/api/v1/plans", &headers(93)).await, "200");
    let said = ask("/api/v1/plans", &headers(94)).await;
    assert_eq!(said, "431");
    let said = ask("/api/v1/plans", &format!("x-long: {}\r\n", long(128 * KIB))).await;
    assert!(["431", ""].contains(&said.as_str()), "{said}");
    // An id that is taken over has 128 characters; a credential 1,024.
    let with = async |name: &str, value: String| {
        Reply::read(app.anyone().request(Method::GET, "/api/v1/plans").header(name, value)).await
    };
    assert_eq!(with("x-request-id", long(128)).await.header("x-request-id"), long(128));
    assert_ne!(with("x-request-id", long(129)).await.header("x-request-id"), long(129));
    with("authorization", format!("Bearer {}", long(1_025))).await.refused(401, "auth.invalid");
    app.stop().await;
}

#[actix_web::test]
async fn a_batch_has_ten_thousand_lines() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let path = "/api/v1/tenants/acme/invitations/bulk";
    let send = async |count: usize| {
        // None of them is an address: they are noted as refused, and nobody is invited.
        let lines: Vec<Value> = (0..count).map(|at| json!({"email": format!("nobody {at}")})).collect();
        acme.admin.post(path, json!({"invitations": lines})).await
    };
    points_to(send(10_001).await, "/invitations");
    assert!(send(10_000).await.status.is_success());
    app.stop().await;
}

#[actix_web::test]
async fn json_is_128_deep_and_no_deeper() {
    let app = TestApp::start().await;
    // The plan and its entitlements are two levels by themselves.
    let make = async |depth: usize| {
        let nested = format!("{}{}", "[".repeat(depth - 2), "]".repeat(depth - 2));
        let plan = format!(
            r#"{{"key": "deep", "name": "Deep", "quotas": {{}}, "rateMultiplier": 1, "entitlements": {{"a": {nested}}}}}"#
        );
        send(&app.operator, "/api/v1/plans", "application/json", plan).await
    };
    assert_eq!(make(129).await.status, 400);
    make(127).await.expect(201);
    app.stop().await;
}

#[actix_web::test]
async fn a_page_has_fifty_items_unless_asked_and_two_hundred_at_most() {
    let app = TestApp::start().await;
    app.operator.flag("a").await;
    multiply(&app, "flag", 201, |at| vec![("key", format!("f{at:03}").into())]).await;
    let count = async |query: &str| {
        let page: ListPage<Value> = app.operator.get(&format!("/api/v1/flags{query}")).await.found();
        assert!(page.next_cursor.is_some());
        page.items.len()
    };
    assert_eq!((count("").await, count("?limit=200").await), (50, 200));
    app.operator.get("/api/v1/flags?limit=201").await.refused(400, "validation.failed");
    app.operator.get("/api/v1/flags?limit=0").await.refused(400, "validation.failed");
    app.stop().await;
}

#[actix_web::test]
async fn an_idempotency_key_has_255_characters_and_its_reply_is_there_for_a_day() {
    let app = TestApp::start().await;
    let make = async |key: &str, flag: &str| {
        let request = app.operator.request(Method::POST, "/api/v1/flags").header("Idempotency-Key", key);
        Reply::read(request.json(&json!({"key": flag, "type": "boolean"}))).await
    };
    let key = long(255);
    make(&key, "a").await.expect(201);
    points_to(make(&long(256), "b").await, "Idempotency-Key");
    app.clock.advance(TimeDelta::hours(23));
    let again = make(&key, "a").await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
    app.clock.advance(TimeDelta::hours(1));
    make(&key, "a").await.refused(409, "flag.exists");
    app.stop().await;
}

#[actix_web::test]
async fn a_name_has_two_hundred_characters() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let of = "/api/v1/tenants/acme";
    let plain = |rest: Value, name: String| {
        let mut body = rest;
        body["name"] = json!(name);
        body
    };
    for (client, path, rest, most) in [
        (&app.operator, "/api/v1/tenants".to_owned(), json!({"slug": "other"}), 200),
        (&app.operator, "/api/v1/keys".to_owned(), json!({"role": "module"}), 200),
        (&app.operator, "/api/v1/modules".to_owned(), json!({"baseUrl": "http://127.0.0.1:9"}), 200),
        (&app.operator, "/api/v1/operators".to_owned(), json!({"email": "o@example.com"}), 200),
        (&app.operator, "/api/v1/instances".to_owned(), json!({"mode": "shared"}), 100),
        (&acme.admin, format!("{of}/organizations/default/scim-tokens"), json!({}), 200),
        (
            &acme.admin,
            format!("{of}/organizations/default/connections"),
            json!({"type": "oidc", "issuer": "http://127.0.0.1:9", "clientId": "c"}),
            200,
        ),
    ] {
        points_to(client.post(&path, plain(rest.clone(), long(most + 1))).await, "/name");
        let fits = client.post(&path, plain(rest, long(most))).await;
        assert!(fits.status.is_success(), "{path}: {}", fits.text);
    }
    app.stop().await;
}

#[actix_web::test]
async fn plans_instances_and_reservations_are_bounded() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let plan = |key: &str, entitlement: usize, quotas: usize| {
        let quotas: serde_json::Map<String, Value> =
            (0..quotas).map(|at| (format!("r{at}"), json!(1))).collect();
        json!({"key": key, "name": "P", "quotas": quotas, "rateMultiplier": 1, "entitlements": {"k": long(entitlement)}})
    };
    // The key and two quotation marks count.
    let (most, plans) = (16 * KIB - 3, "/api/v1/plans");
    app.operator.post(plans, plan("full", most, 100)).await.expect(201);
    points_to(app.operator.post(plans, plan("more", most + 1, 0)).await, "/entitlements");
    points_to(app.operator.post(plans, plan("wide", 1, 101)).await, "/quotas");
    let instance =
        |capacity: i64| json!({"name": format!("i{capacity}"), "mode": "shared", "capacity": capacity});
    app.operator.post("/api/v1/instances", instance(100_000)).await.expect(201);
    points_to(app.operator.post("/api/v1/instances", instance(100_001)).await, "/capacity");
    let usual = app.operator.post("/api/v1/instances", json!({"name": "usual", "mode": "shared"})).await;
    assert_eq!(usual.created::<Instance>().capacity, 50);
    let module = app.key("module", None).await;
    let reserve = async |amount: i64, seconds: i64| {
        let body =
            json!({"tenantId": "acme", "resource": "disks", "amount": amount, "lifetimeSeconds": seconds});
        module.post("/api/internal/quotas/reservations", body).await
    };
    points_to(reserve(1_000_001, 60).await, "/amount");
    points_to(reserve(1, 24 * 3600 + 1).await, "/lifetimeSeconds");
    let limits = |limit: i64| json!({"items": [{"resource": "disks", "limit": limit}]});
    let quotas = "/api/v1/tenants/acme/quotas";
    assert_eq!(app.operator.put(quotas, limits(1_000_000_001)).await.status, 400);
    app.operator.put(quotas, limits(1_000_000_000)).await.expect(200);
    reserve(1_000_000, 24 * 3600).await.expect(201);
    let many: Vec<Value> = (0..101).map(|at| json!({"resource": format!("r{at}"), "limit": 1})).collect();
    points_to(app.operator.put(quotas, json!({"items": many})).await, "/items");
    app.stop().await;
}

#[actix_web::test]
async fn a_reservation_holds_for_five_minutes_and_is_remembered_for_a_day() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let module = app.key("module", None).await;
    let body = json!({"tenantId": "acme", "resource": "nodes", "amount": 1});
    let id = &module.post("/api/internal/quotas/reservations", body).await.created_id();
    let sweep = async || {
        let work = async |tx: &mut platform::PlatformTx| quota::sweep(tx).await;
        app.running.service.db.write_platform(&platform::Ctx::system("test"), work).await.unwrap();
    };
    let reserved = async || app.operator.quota("acme", "nodes").await.reserved;
    app.clock.advance(TimeDelta::seconds(5 * 60 - 10));
    sweep().await;
    assert_eq!(reserved().await, 1);
    app.clock.advance(TimeDelta::seconds(20));
    sweep().await;
    assert_eq!(reserved().await, 0);
    let commit = format!("/api/internal/quotas/reservations/{id}/commit");
    app.clock.advance(TimeDelta::hours(23));
    sweep().await;
    module.post(&commit, json!({})).await.refused(409, "quota.reservation_closed");
    app.clock.advance(TimeDelta::hours(2));
    sweep().await;
    module.post(&commit, json!({})).await.refused(404, "not_found");
    app.stop().await;
}

#[actix_web::test]
async fn invitations_last_from_an_hour_to_ninety_days_and_say_a_thousand_characters() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = "/api/v1/tenants/acme/invitations";
    let invite = async |to: &str, more: Value| {
        let mut body = json!({"email": format!("{to}@example.com"), "role": "viewer"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        acme.admin.post(path, body).await
    };
    let at = |minutes: i64| (app.clock.now() + TimeDelta::minutes(minutes)).to_rfc3339();
    let plain = invite("week", json!({})).await.expect(201);
    let ends: chrono::DateTime<chrono::Utc> = plain["expiresAt"].as_str().unwrap().parse().unwrap();
    let days = (ends - app.clock.now() + TimeDelta::minutes(1)).num_days();
    assert_eq!(days, 7, "unless it says so itself");
    invite("short", json!({"expiresAt": at(61)})).await.expect(201);
    points_to(invite("shorter", json!({"expiresAt": at(58)})).await, "/expiresAt");
    invite("late", json!({"expiresAt": at(90 * 24 * 60 - 2)})).await.expect(201);
    points_to(invite("later", json!({"expiresAt": at(90 * 24 * 60 + 2)})).await, "/expiresAt");
    invite("wordy", json!({"message": long(1000)})).await.expect(201);
    points_to(invite("wordier", json!({"message": long(1001)})).await, "/message");
    app.stop().await;
}

#[actix_web::test]
async fn a_handler_has_its_time_and_then_503_is_answered() {
    let app = TestApp::with(|config| {
        assert_eq!(config.server.request_timeout, Duration::from_secs(30));
        config.server.request_timeout = Duration::from_secs(2);
        config.outbound.timeout = Duration::from_secs(60);
    })
    .await;
    // An issuer that takes the connection and never answers.
    let hung = tests::Receiver::start();
    hung.answer(0);
    app.operator.post("/api/v1/issuers", json!({"issuer": hung.url, "audience": "a"})).await.expect(201);
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": hung.url, "sub": "ann", "aud": "a", "exp": app.clock.now().timestamp() + 300});
    let token = format!("{}.{}.AAAA", part(json!({"alg": "RS256", "kid": "k"})), part(claims));
    let begun = Instant::now();
    let reply = app.operator.exchange(&token).await;
    reply.refused(503, "unavailable");
    assert!(begun.elapsed() < Duration::from_secs(30), "it waited for the issuer");
    hung.stop().await;
    app.stop().await;
}
