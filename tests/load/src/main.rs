//! Measures `target/release/tenantry` over HTTP on loopback.
//!
//! | `load …` | measures |
//! |---|---|
//! | `service [users]` | creation, look-ups, members, sign-in, beside a bare actix handler |
//! | `rivals [users]` | the same sync against tenantry, npm `scimmy-routers` and PyPI `scim2-server` |
//! | `sso [requests]` | what a SAML response and an exchange cost; codes, tokens and refreshes; npm oidc-provider beside it; hostile requests |
//! | `provisioning [tenants]` | tenants on the builtin backend and the pool, with 32 workers |
//! | `keycloak` | 20 tenants as realms and 100 as organizations of a real Keycloak |
//! | `attacks` | what one caller's floods and monsters cost a neighbour, in waiting and in memory |
//! | `events [count]` | a full outbox drained, an endpoint beside bad ones, a flag at 20 modules, 10,000 tenants evaluated anew |
//! | `faults [seconds] [seed]` | that nothing is lost while the store fails at random: half an hour, the debug binary |
//! | `growth [users]` | a group to 20,000 members, look-ups from 1,000 users to `users`, a group of 100,000 |
//!
//! The store is SQLite, or Postgres where `TENANTRY_TEST_DB` is set, e.g. to what `tests/postgres durable` prints. Rates are also given as
//! ratios within the run: the machine may be shared, the ratio stays.
#![allow(clippy::disallowed_methods, reason = "it plays clients")]

mod attacks;
mod events;
mod faults;
mod growth;
mod measure;
mod provisioning;
mod rivals;
mod scim;
mod sso;

use std::time::Instant;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tests::{Client, Issuer, Process, Reply, Store};

use crate::measure::{CONNECTIONS, Measured, head, measure, memory, show};

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
    let body = scim::user(0);
    let measured = measure(10_000, |_| {
        let request = http.post(&url).json(&body);
        async { Reply::read(request).await.status == 200 }
    })
    .await;
    handle.stop(false).await;
    show("bare actix handler, same body", &measured, measured.rate);
    Ok(measured.rate)
}

/// The program on a store of its own, with a tenant and its identity provider's token.
struct Running {
    process: Process,
    operator: Client,
    scim: Client,
    start: std::time::Duration,
    idle: f64,
}

async fn running(store: &Store) -> anyhow::Result<Running> {
    let program =
        std::env::var("TENANTRY_LOAD_PROGRAM").unwrap_or_else(|_| "target/release/tenantry".to_owned());
    let settings = [
        ("TENANTRY__RATE_LIMIT__ENABLED", "false"),
        ("TENANTRY__SERVER__WORKERS", "2"),
        ("TENANTRY_LOG", "warn"),
        // The identity provider is on loopback too.
        ("TENANTRY__OUTBOUND__ALLOW_PRIVATE", "true"),
    ];
    let first = Process::start(&program, store, None, &settings).await;
    first.kill().await;
    let begun = Instant::now();
    let process = Process::start(&program, store, None, &settings).await;
    let start = begun.elapsed();
    let operator = process.operator.clone();
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
    Ok(Running { process, operator, scim, start, idle })
}

async fn service(store: &Store, users: usize) -> anyhow::Result<()> {
    head(&format!("{CONNECTIONS} connections, {users} users"));
    let bare = bare().await?;
    let running = running(store).await?;
    let figures = scim::sync(&running.scim, "/scim/v2", users, 5_000.min(users)).await;
    for (what, measured) in figures.rows() {
        show(&format!("SCIM {what}"), measured, bare);
    }
    let issuer = Issuer::start();
    issuer.register(&running.operator).await;
    let exchange = |count: usize| {
        let (operator, issuer) = (&running.operator, &issuer);
        measure(count, move |number: usize| {
            let body = json!({"subjectToken": issuer.token(&format!("ext-{}", number % 1000), "org_acme")});
            let request = operator.post_owned("/api/internal/sso/exchange", body);
            async { request.await.status == 200 }
        })
    };
    let exchanges: [Measured; 2] = [exchange(1000).await, exchange(5000).await];
    show("SSO exchange, first sign-in", &exchanges[0], bare);
    show("SSO exchange", &exchanges[1], bare);
    println!(
        "\nstart to /ready {:.0} ms; memory idle {:.1} MiB, at the end {:.1} MiB",
        running.start.as_secs_f64() * 1000.0,
        running.idle,
        memory(running.process.id())
    );
    issuer.stop().await;
    running.process.kill().await;
    Ok(())
}

async fn rivals(store: &Store, users: usize) -> anyhow::Result<()> {
    let some = (users / 2).max(1);
    let running = running(store).await?;
    head(&format!("tenantry, {CONNECTIONS} connections, {users} users; ratios are to itself"));
    let own = scim::sync(&running.scim, "/scim/v2", users, some).await;
    scim::print(&own, None, running.process.id());
    running.process.kill().await;
    for rival in rivals::start().await? {
        head(&format!("{}, {CONNECTIONS} connections, {users} users; ratios are to tenantry", rival.name));
        let figures = scim::sync(&rival.client, rival.base, users, some).await;
        scim::print(&figures, Some(&own), rival.id());
        rival.stop().await;
    }
    Ok(())
}

async fn growing(store: &Store, users: usize) -> anyhow::Result<()> {
    let running = running(store).await?;
    let sizes: Vec<usize> = [1_000, 20_000, users].into_iter().filter(|size| *size <= users).collect();
    growth::lookups(&running.scim, &sizes).await;
    growth::group(&running.scim, 20_000.min(users)).await;
    growth::large_group(&running.scim, &running.process, 100_000.min(users)).await;
    println!("\nmemory idle {:.1} MiB, at the end {:.1} MiB", running.idle, memory(running.process.id()));
    running.process.kill().await;
    Ok(())
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| "service".to_owned());
    let users: Option<usize> = arguments.next().map(|text| text.parse()).transpose()?;
    let store = Store::new().await;
    println!("# {}", if store.superuser_url.is_some() { "Postgres" } else { "SQLite" });
    let measures = what != "faults";
    anyhow::ensure!(
        !measures || store.is_durable().await,
        "this Postgres does not wait for the disk: use the one of `tests/postgres durable`"
    );
    match what.as_str() {
        "service" => service(&store, users.unwrap_or(20_000)).await,
        "rivals" => rivals(&store, users.unwrap_or(2_000)).await,
        "growth" => growing(&store, users.unwrap_or(200_000)).await,
        "faults" => {
            let seed = arguments.next().map(|text| text.parse()).transpose()?;
            faults::run(users.unwrap_or(faults::SECONDS), seed).await
        }
        "attacks" => attacks::run().await,
        "events" => events::run(users.unwrap_or(100_000)).await,
        "provisioning" => provisioning::builtin(&store, users.unwrap_or(1_000)).await,
        "keycloak" => provisioning::keycloak(&store).await,
        "sso" => {
            sso::pure();
            let running = running(&store).await?;
            let count = users.unwrap_or(5_000);
            head(&format!("{CONNECTIONS} connections, {count} requests"));
            sso::over_http(&running, count).await?;
            println!(
                "\nmemory idle {:.1} MiB, at the end {:.1} MiB",
                running.idle,
                memory(running.process.id())
            );
            running.process.kill().await;
            Ok(())
        }
        other => anyhow::bail!(
            "{other} is not one of service, rivals, growth, attacks, events, faults, sso, provisioning, keycloak"
        ),
    }
}
