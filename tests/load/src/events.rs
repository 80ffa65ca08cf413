//! Events and flags under load: a full outbox, receivers that misbehave, modules that hear of a change, thousands of tenants evaluated anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use entity::platform::outbox_event;
use entity::tenancy::tenant;
use platform::clock::Clock;
use platform::db::Db;
use platform::{Ctx, DbError, PlatformTx, Work as _};
use serde_json::json;
use tests::{Client, Process, Receiver, Store};

use crate::measure::{forget_peak, measure, memory, peak};

const SETTINGS: [(&str, &str); 4] = [
    ("TENANTRY__RATE_LIMIT__ENABLED", "false"),
    ("TENANTRY__SERVER__WORKERS", "2"),
    ("TENANTRY_LOG", "error"),
    ("TENANTRY__WEBHOOKS__RETRY_BASE_MS", "5000"),
];

fn program() -> String {
    std::env::var("TENANTRY_LOAD_PROGRAM").unwrap_or_else(|_| "target/release/tenantry".to_owned())
}

async fn start(store: &Store) -> Process {
    Process::start(&program(), store, None, &SETTINGS).await
}

async fn open(store: &Store) -> anyhow::Result<Db> {
    let mut config = tenantry::config::load(None, [])?;
    config.database.url = store.url.clone();
    Ok(Db::open(&config.database, store.directory.path(), Clock::default()).await?)
}

fn percent(sorted: &[Duration], of: usize) -> f64 {
    sorted.get((sorted.len().saturating_sub(1)) * of / 100).copied().unwrap_or_default().as_secs_f64()
        * 1000.0
}

/// `count` events wait in the outbox of a service that was away; it drains them to one endpoint.
async fn drain(store: &Store, count: usize) -> anyhow::Result<()> {
    let receiver = Receiver::start();
    let process = start(store).await;
    process.operator.post("/api/v1/webhook-endpoints", json!({"url": receiver.url})).await.expect(201);
    process.kill().await;
    let db = open(store).await?;
    let tenants: Vec<uuid::Uuid> = (0..200).map(|_| platform::ids::new()).collect();
    for chunk in (0..count).collect::<Vec<_>>().chunks(5_000) {
        let fill = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            let row = |number: &usize| outbox_event::Model {
                id: platform::ids::new(),
                tenant_id: tenants.get(number % tenants.len()).copied(),
                r#type: "group.updated".to_owned(),
                data: json!({"groupId": uuid::Uuid::nil(), "organizationId": uuid::Uuid::nil(), "displayName": format!("g{number}")}),
                occurred_at: tx.now(),
                request_id: None,
                dispatched_at: None,
                sequence: None,
            };
            tx.insert_all(chunk.iter().map(row).collect()).await
        };
        db.write_platform(&Ctx::system("load"), fill).await?;
    }
    db.close().await;
    let came = Arc::new(Mutex::new(0_usize));
    let counted = came.clone();
    receiver.choose(move |_, _| {
        *counted.lock().expect("a lock") += 1;
        204
    });
    let process = start(store).await;
    let (begun, before) = (Instant::now(), memory(process.id()));
    forget_peak(process.id());
    loop {
        let now = *came.lock().expect("a lock");
        if now >= count {
            break;
        }
        receiver.received.lock().expect("a lock").clear();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    println!(
        "| {count} events in the outbox, to one endpoint | {:.0}/s | all after {took:.1} s | memory {before:.0} MiB before, {:.0} at most |",
        count as f64 / took,
        peak(process.id())
    );
    process.kill().await;
    receiver.stop().await;
    Ok(())
}

/// From an event's commit to its arrival at an endpoint that is well: alone, and beside one that hangs and one that fails every second time.
async fn beside(store: &Store, bad: bool) -> Vec<Duration> {
    let process = start(store).await;
    let operator = &process.operator;
    let well = Receiver::start();
    let delays: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let noted = delays.clone();
    well.choose(move |one, _| {
        let at = one.body["time"].as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        if let Some(at) = at {
            noted
                .lock()
                .expect("a lock")
                .push((Utc::now() - at.with_timezone(&Utc)).to_std().unwrap_or_default());
        }
        204
    });
    let endpoint = async |url: &str| {
        let body = json!({"url": url, "eventTypes": ["user.created"]});
        operator.post("/api/v1/webhook-endpoints", body).await.expect(201);
    };
    endpoint(&well.url).await;
    let (hanging, shaky) = (Receiver::start(), Receiver::start());
    hanging.answer(0);
    shaky.choose(|_, at| if at % 2 == 0 { 500 } else { 204 });
    if bad {
        endpoint(&hanging.url).await;
        endpoint(&shaky.url).await;
    }
    let body = json!({"slug": "acme", "name": "Acme", "plan": "enterprise"});
    operator.post("/api/v1/tenants", body).await.expect(202);
    tests::status(operator, "acme", "active").await;
    let token = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let token = operator.post(token, json!({"name": "idp"})).await.expect(201);
    let scim: Client = operator.with(token["token"].as_str().unwrap_or_default());
    const USERS: usize = 400;
    for number in 0..USERS {
        scim.post("/scim/v2/Users", json!({"userName": format!("u{number}")})).await.expect(201);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while delays.lock().expect("a lock").len() < USERS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    process.kill().await;
    for receiver in [well, hanging, shaky] {
        receiver.stop().await;
    }
    let mut delays = delays.lock().expect("a lock").clone();
    delays.sort_unstable();
    delays
}

/// From the request that changes a tenant's flag to its arrival at the last of 20 modules.
async fn fan(process: &Process) {
    let operator = &process.operator;
    let seen: Arc<Mutex<HashMap<usize, String>>> = Arc::default();
    let mut modules = Vec::new();
    for number in 0..20 {
        let module = Receiver::start();
        let noted = seen.clone();
        module.choose(move |one, _| {
            let value = one.body["flags"]["f"].as_str().unwrap_or_default().to_owned();
            noted.lock().expect("a lock").insert(number, value);
            204
        });
        let body = json!({"name": format!("m{number}"), "baseUrl": module.url});
        operator.post("/api/v1/modules", body).await.expect(201);
        modules.push(module);
    }
    let variants = json!({"a": "a", "b": "b"});
    let flag = json!({"key": "f", "type": "string", "variants": variants, "defaultVariant": "a"});
    operator.post("/api/v1/flags", flag).await.expect(201);
    let mut delays = Vec::new();
    for round in 0..200 {
        let variant = if round % 2 == 0 { "b" } else { "a" };
        let begun = Instant::now();
        operator.put("/api/v1/tenants/acme/flags/f", json!({"variant": variant})).await.expect(200);
        while seen.lock().expect("a lock").values().filter(|value| *value == variant).count() < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        delays.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    delays.sort_unstable();
    println!(
        "| a tenant's flag at the last of 20 modules, 200 times | p50 {:.0} ms | p99 {:.0} ms | longest {:.0} ms |",
        percent(&delays, 50),
        percent(&delays, 99),
        percent(&delays, 100)
    );
    for (module, number) in modules.into_iter().zip(0..) {
        // Two stay for what comes next.
        if number >= 2 {
            let list = operator.get("/api/v1/modules?limit=200").await.expect(200);
            let id = list["items"]
                .as_array()
                .and_then(|all| all.iter().find(|one| one["name"] == format!("m{number}")));
            let id = id.and_then(|one| one["id"].as_str()).unwrap_or_default().to_owned();
            operator.delete(&format!("/api/v1/modules/{id}")).await;
            module.stop().await;
        }
    }
}

/// All tenants are evaluated anew after a change of which plans have a flag; people are created meanwhile.
async fn reevaluate(store: &Store, process: &Process, count: usize) -> anyhow::Result<()> {
    let operator = &process.operator;
    let db = open(store).await?;
    for chunk in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let fill = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            let model = tx.one(tx.across::<tenant::Entity>()).await?;
            let Some(model) = model else { return Ok::<_, DbError>(()) };
            let copy = |number: &usize| tenant::Model {
                id: platform::ids::new(),
                slug: format!("copy-{number}"),
                identity_external_id: Some(format!("copy-{number}")),
                ..model.clone()
            };
            tx.insert_all(chunk.iter().map(copy).collect()).await
        };
        db.write_platform(&Ctx::system("load"), fill).await?;
    }
    db.close().await;
    let token = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let token = operator.post(token, json!({"name": "idp"})).await.expect(201);
    let scim = operator.with(token["token"].as_str().unwrap_or_default());
    let create = async |name: &'static str| {
        measure(2_000, |number| {
            let request = scim.post_owned("/scim/v2/Users", json!({"userName": format!("{name}{number}")}));
            async { request.await.status == 201 }
        })
        .await
    };
    let alone = create("alone").await;
    let modules = operator.get("/api/v1/modules?limit=2").await.expect(200);
    let ids: Vec<String> = modules["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    // Nothing is still to be evaluated, and nothing to be told.
    let told = async || loop {
        let mut left = 0;
        for status in ["pending", "running"] {
            let jobs = format!("/api/v1/jobs?kind=flags.fan_out&status={status}&limit=1");
            let jobs = operator.get(&jobs).await.expect(200);
            left += jobs["items"].as_array().map_or(0, Vec::len);
        }
        for id in &ids {
            let drift = format!("/api/v1/modules/{id}/flag-pushes?drift=true&limit=1");
            let drift = operator.get(&drift).await.expect(200);
            left += drift["items"].as_array().map_or(0, Vec::len);
        }
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let gate = |plans: &[&str]| json!({"type": "boolean", "defaultVariant": "on", "plans": plans});
    let made = json!({"key": "gated", "type": "boolean", "defaultVariant": "on", "plans": ["free"]});
    operator.post("/api/v1/flags", made).await.expect(201);
    tokio::time::sleep(Duration::from_secs(1)).await;
    told().await;
    let begun = Instant::now();
    operator.put("/api/v1/flags/gated", gate(&["enterprise"])).await.expect(200);
    let meanwhile = create("meanwhile").await;
    let during = begun.elapsed();
    told().await;
    println!(
        "| {count} tenants evaluated anew and told to 2 modules | {:.1} s | creation meanwhile {:.0}/s, p99 {:.0} ms ({:.2} of {:.0}/s, p99 {:.0} ms alone) | for {:.1} s |",
        begun.elapsed().as_secs_f64(),
        meanwhile.rate,
        meanwhile.at(0.99).as_secs_f64() * 1000.0,
        meanwhile.rate / alone.rate,
        alone.rate,
        alone.at(0.99).as_secs_f64() * 1000.0,
        during.as_secs_f64()
    );
    Ok(())
}

pub(crate) async fn run(count: usize) -> anyhow::Result<()> {
    println!("\n| what | | | |\n|---|---|---|---|");
    drain(&Store::new().await, count).await?;
    let alone = beside(&Store::new().await, false).await;
    let with = beside(&Store::new().await, true).await;
    println!(
        "| from commit to arrival, alone → beside one that hangs and one that fails | p50 {:.1} → {:.1} ms | p99 {:.1} → {:.1} ms | ratio of p99 {:.2} |",
        percent(&alone, 50),
        percent(&with, 50),
        percent(&alone, 99),
        percent(&with, 99),
        percent(&with, 99) / percent(&alone, 99)
    );
    let store = Store::new().await;
    let process = start(&store).await;
    let body = json!({"slug": "acme", "name": "Acme", "plan": "enterprise"});
    process.operator.post("/api/v1/tenants", body).await.expect(202);
    tests::status(&process.operator, "acme", "active").await;
    fan(&process).await;
    reevaluate(&store, &process, 10_000).await?;
    process.kill().await;
    Ok(())
}
