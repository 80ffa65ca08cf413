//! Measures `target/release/tenantry` over HTTP on loopback: `cargo run --release -p load -- [users]`.
//!
//! Prints a table for the store at hand (SQLite, or Postgres where `TENANTRY_TEST_DB` is set): rates, p50 and p99, memory,
//! start. Rates are also given as ratios to a bare actix handler measured in the same run by the same clients: the machine
//! may be shared, the ratio stays.
#![allow(clippy::disallowed_methods, reason = "it plays clients")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tests::{Issuer, Process, Reply, Store};

/// Connections of each measurement.
const CONNECTIONS: usize = 16;

struct Measured {
    rate: f64,
    p50: Duration,
    p99: Duration,
    failed: usize,
}

/// Runs `count` requests over [`CONNECTIONS`] connections.
async fn measure<F, Fut>(count: usize, request: F) -> Measured
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = bool>,
{
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let lanes = (0..CONNECTIONS).map(|_| async {
        let mut times = Vec::new();
        let mut failed = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return (times, failed);
            }
            let at = Instant::now();
            if !request(number).await {
                failed += 1;
            }
            times.push(at.elapsed());
        }
    });
    let results = futures_util::future::join_all(lanes).await;
    let elapsed = begun.elapsed();
    let mut times: Vec<Duration> = results.iter().flat_map(|(times, _)| times.clone()).collect();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    let failed = results.iter().map(|(_, failed)| failed).sum();
    Measured { rate: count as f64 / elapsed.as_secs_f64(), p50: at(0.5), p99: at(0.99), failed }
}

fn show(what: &str, measured: &Measured, bare: f64) {
    println!(
        "| {what:<38} | {:>8.0}/s | {:>7.2} ms | {:>7.2} ms | {:>6.3} | {} |",
        measured.rate,
        measured.p50.as_secs_f64() * 1000.0,
        measured.p99.as_secs_f64() * 1000.0,
        measured.rate / bare,
        measured.failed
    );
}

/// Resident memory in MiB.
fn memory(id: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

async fn bare() -> anyhow::Result<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let server = HttpServer::new(|| {
        App::new()
            .route("/", web::post().to(|body: web::Json<Value>| async { HttpResponse::Ok().json(body.0) }))
    });
    let server = server.workers(2).disable_signals().listen(listener)?.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let body = user(0);
    let measured = measure(10_000, |_| {
        let request = http.post(&url).json(&body);
        async { Reply::read(request).await.status == 200 }
    })
    .await;
    handle.stop(false).await;
    show("bare actix handler, same body", &measured, measured.rate);
    Ok(measured.rate)
}

fn user(number: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("user{number}@example.com"),
        "externalId": format!("ext-{number}"), "active": true, "displayName": format!("User {number}"),
        "name": {"givenName": "User", "familyName": number.to_string()},
        "emails": [{"value": format!("user{number}@example.com"), "type": "work", "primary": true}],
    })
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let users: usize = std::env::args().nth(1).map(|text| text.parse()).transpose()?.unwrap_or(20_000);
    let program =
        std::env::var("TENANTRY_LOAD_PROGRAM").unwrap_or_else(|_| "target/release/tenantry".to_owned());
    let store = Store::new().await;
    let kind = if store.superuser_url.is_some() { "Postgres" } else { "SQLite" };
    println!("\n{kind}, {CONNECTIONS} connections, {users} users\n");
    println!("| {:<38} | {:>10} | {:>10} | {:>10} | {:>6} | failed |", "what", "rate", "p50", "p99", "ratio");
    println!("|---|---:|---:|---:|---:|---:|");
    let bare = bare().await?;
    let settings = [
        ("TENANTRY__RATE_LIMIT__ENABLED", "false"),
        ("TENANTRY__SERVER__WORKERS", "2"),
        ("TENANTRY_LOG", "warn"),
    ];
    let first = Process::start(&program, &store, None, &settings).await;
    first.kill().await;
    let begun = Instant::now();
    let process = Process::start(&program, &store, None, &settings).await;
    let start = begun.elapsed();
    let operator = process.operator.clone();
    let issuer = Issuer::start();
    issuer.register(&operator).await;
    let tenant =
        json!({"slug": "acme", "name": "Acme", "plan": "enterprise", "identity": {"externalId": "org_acme"}});
    let request =
        operator.request(reqwest::Method::POST, "/api/v1/tenants").header("Prefer", "wait=20").json(&tenant);
    Reply::read(request).await.expect(201);
    let token = operator
        .post("/api/v1/tenants/acme/organizations/default/scim-tokens", json!({"name": "load"}))
        .await
        .expect(201);
    let scim = operator.with(token["token"].as_str().unwrap_or_default());
    scim.get("/scim/v2/Users?count=0").await.expect(200);
    let idle = memory(process.id());
    let created = measure(users, |number| {
        let request = scim.post_owned("/scim/v2/Users", user(number));
        async { request.await.status == 201 }
    })
    .await;
    show("SCIM create user", &created, bare);
    let after = memory(process.id());
    let found = measure(10_000, |number| {
        let scim = scim.clone();
        async move {
            let filter = format!("userName eq \"USER{}@example.com\"", number * 7919 % users);
            scim.find("/scim/v2/Users", &filter).await.json()["totalResults"] == 1
        }
    })
    .await;
    show("SCIM look up by userName", &found, bare);
    let group = scim.post("/scim/v2/Groups", json!({"displayName": "all"})).await.expect(201);
    let some = scim.get("/scim/v2/Users?attributes=id&count=1000").await.expect(200);
    let ids: Vec<Value> =
        some["Resources"].as_array().into_iter().flatten().map(|user| user["id"].clone()).collect();
    let path = format!("/scim/v2/Groups/{}", group["id"].as_str().unwrap_or_default());
    let added = measure(ids.len(), |number| {
        let change =
            json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": ids[number]}]}]});
        let request = scim.patch_owned(path.clone(), change);
        async { request.await.status == 204 }
    })
    .await;
    show("SCIM add one member to one group", &added, bare);
    let exchange = |offset: usize| {
        let (operator, issuer) = (&operator, &issuer);
        move |number: usize| {
            let body = json!({"subjectToken": issuer.token(&format!("ext-{}", (number + offset) % 1000), "org_acme")});
            let request = operator.post_owned("/api/internal/sso/exchange", body);
            async { request.await.status == 200 }
        }
    };
    show("SSO exchange, first sign-in", &measure(1000, exchange(0)).await, bare);
    show("SSO exchange", &measure(5000, exchange(0)).await, bare);
    println!(
        "\nstart to /ready {:.0} ms; memory idle {idle:.1} MiB, after {users} users {after:.1} MiB, at the end {:.1} MiB",
        start.as_secs_f64() * 1000.0,
        memory(process.id())
    );
    issuer.stop().await;
    process.kill().await;
    Ok(())
}
