//! Tenants made by the hundred: on the builtin backend and the pool, and on a real Keycloak as realms and as organizations.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Client, Keycloak, Process, Store};

use crate::measure::{CONNECTIONS, measure, memory};

/// Runs of one process at once.
const WORKERS: &str = "32";
/// Tenants on a shared instance.
const CAPACITY: usize = 50;

fn program() -> String {
    std::env::var("TENANTRY_LOAD_PROGRAM").unwrap_or_else(|_| "target/release/tenantry".to_owned())
}

/// The durations of all runs, shortest first.
async fn durations(operator: &Client, slugs: &[String]) -> Vec<Duration> {
    let mut all = Vec::new();
    for slug in slugs {
        let run = operator.get(&format!("/api/v1/tenants/{slug}/provisioning")).await.expect(200);
        let at = |name: &str| {
            let text = run[name].as_str().expect("a time");
            chrono::DateTime::parse_from_rfc3339(text).expect("a time")
        };
        all.push((at("finishedAt") - at("createdAt")).to_std().unwrap_or_default());
    }
    all.sort_unstable();
    all
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len().saturating_sub(1)) * percent / 100).copied().unwrap_or_default()
}

/// Asks for all tenants and waits until all are active.
async fn provision(operator: &Client, what: &str, count: usize, body: impl Fn(&str) -> Value) {
    let instances = operator.get("/api/v1/instances?limit=200").await.expect(200);
    let room: i64 = instances["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| Some(one["capacity"].as_i64()? - one["tenantCount"].as_i64()?))
        .sum();
    for number in 0..(count.saturating_sub(usize::try_from(room).unwrap_or(0))).div_ceil(CAPACITY) {
        let body = json!({"name": format!("{what}-{number}"), "mode": "shared"});
        operator.post("/api/v1/instances", body).await.expect(201);
    }
    let slugs: Vec<String> =
        (0..count).map(|number| format!("{what}-{}-{number}", std::process::id())).collect();
    let begun = Instant::now();
    let asked = measure(count, |number| {
        let request = operator.post_owned("/api/v1/tenants", body(&slugs[number]));
        async { request.await.status == 202 }
    })
    .await;
    let accepted = begun.elapsed();
    assert_eq!(asked.failed, 0, "every tenant is accepted");
    loop {
        let left = operator.get("/api/v1/tenants?status=provisioning&limit=1").await.expect(200);
        if left["items"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    let failed = operator.get("/api/v1/tenants?status=failed&limit=1").await.expect(200);
    assert!(failed["items"].as_array().is_some_and(Vec::is_empty), "all are active: {failed}");
    let times = durations(operator, &slugs).await;
    println!(
        "| {what} | {count} | {:.1} s | {:.1}/s | {:.1} s | {} ms | {} ms | {} ms |",
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64(),
        accepted.as_secs_f64(),
        quantile(&times, 50).as_millis(),
        quantile(&times, 99).as_millis(),
        times.last().copied().unwrap_or_default().as_millis()
    );
}

fn head() {
    println!(
        "\n{CONNECTIONS} connections, {WORKERS} workers; a run's time is from its beginning to its end, waiting for a worker included\n"
    );
    println!(
        "| tenants | number | all active after | rate | all accepted after | p50 | p99 | longest |\n|---|---|---|---|---|---|---|---|"
    );
}

pub async fn builtin(store: &Store, count: usize) -> anyhow::Result<()> {
    let settings = [
        ("TENANTRY__RATE_LIMIT__ENABLED", "false"),
        ("TENANTRY__SERVER__WORKERS", "2"),
        ("TENANTRY_LOG", "warn"),
        ("TENANTRY__JOBS__AT_ONCE", WORKERS),
        ("TENANTRY__JOBS__LEASE", "10s"),
    ];
    let process = Process::start(&program(), store, None, &settings).await;
    head();
    provision(&process.operator, "org", count, |slug| {
        json!({"slug": slug, "name": slug, "plan": "pro", "owner": {"email": format!("it@{slug}.example")}})
    })
    .await;
    provision(
        &process.operator,
        "realm",
        count / 10,
        |slug| json!({"slug": slug, "name": slug, "plan": "pro", "identity": {"kind": "realm"}}),
    )
    .await;
    println!("\nmemory at the end {:.1} MiB", memory(process.id()));
    process.kill().await;
    Ok(())
}

pub async fn keycloak(store: &Store) -> anyhow::Result<()> {
    let keycloak = Keycloak::start().await;
    let mut config = tenantry::config::load(None, [])?;
    keycloak.configure(&mut config, &keycloak.url);
    let settings = &config.section::<backends::Settings>().keycloak;
    let secret = secrecy::ExposeSecret::expose_secret(&settings.client_secret).to_owned();
    let settings = [
        ("TENANTRY__RATE_LIMIT__ENABLED", "false"),
        ("TENANTRY_LOG", "warn"),
        ("TENANTRY__JOBS__AT_ONCE", "4"),
        ("TENANTRY__JOBS__LEASE", "10s"),
        ("TENANTRY__OUTBOUND__TIMEOUT", "60s"),
        ("TENANTRY__IDENTITY__KEYCLOAK__URL", settings.url.as_str()),
        ("TENANTRY__IDENTITY__KEYCLOAK__CLIENT_SECRET", secret.as_str()),
        ("TENANTRY__IDENTITY__KEYCLOAK__SHARED_REALM", settings.shared_realm.as_str()),
    ];
    let process = Process::start(&program(), store, None, &settings).await;
    println!("\n4 workers");
    head();
    for (kind, count) in [("realm", 20), ("org", 100)] {
        provision(&process.operator, &format!("keycloak-{kind}"), count, |slug| {
            json!({"slug": slug, "name": slug, "plan": "pro", "identity": {"backend": "keycloak", "kind": kind}})
        })
        .await;
    }
    process.kill().await;
    Ok(())
}
