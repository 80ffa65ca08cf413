//! Killed again and again at random moments under load: between commit, send, acknowledgement and the note of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use tests::{Event, Process, Receiver, Store, eventually};

use super::PROGRAM;

/// Stores, each with a process that is killed so often: 200 kills in all.
const STORES: u64 = 4;
const KILLS: u64 = 50;
/// Users that every process creates before its kill, however slow the machine is.
const WRITES: usize = 2;

#[actix_web::test]
async fn every_committed_event_is_delivered_through_two_hundred_kills() {
    futures_util::stream::iter(0..STORES).for_each_concurrent(4, through_kills).await;
}

async fn through_kills(seed: u64) {
    let store = Store::new().await;
    let receiver = Receiver::start();
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let op = process.operator.clone();
    let body = json!({"slug": "acme", "name": "Acme", "plan": "enterprise"});
    op.active_tenant(body).await;
    op.post("/api/v1/webhook-endpoints", json!({"url": receiver.url})).await.expect(201);
    let token = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let token = op.post(token, json!({"name": "idp"})).await.created_token();
    process.kill().await;
    // A fixed sequence of moments (SplitMix64): what fails fails again.
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    };
    let acknowledged: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    for round in 0..KILLS {
        let process =
            Process::start(PROGRAM, &store, None, &[("TENANTRY__RATE_LIMIT__ENABLED", "false")]).await;
        let (scim, noted) = (process.operator.with(&token), acknowledged.clone());
        let load = actix_web::rt::spawn(async move {
            for number in 0.. {
                let name = format!("u-{seed}-{round}-{number}");
                let request =
                    scim.request(reqwest::Method::POST, "/scim/v2/Users").json(&json!({"userName": name}));
                match request.send().await {
                    Ok(answer) if answer.status() == 201 => noted.lock().unwrap().insert(name),
                    _ => return,
                };
            }
        });
        // The process is at work before its moment comes: the deliveries of what it has acknowledged are under way too.
        let before = acknowledged.lock().unwrap().len();
        let at_work = async || (acknowledged.lock().unwrap().len() >= before + WRITES).then_some(());
        eventually("the first writes", at_work).await;
        tokio::time::sleep(Duration::from_millis(random() % 150)).await;
        process.kill().await;
        load.abort();
    }
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let wanted = acknowledged.lock().unwrap().clone();
    assert!(wanted.len() >= KILLS as usize * WRITES, "there was some load: {}", wanted.len());
    let names = || -> BTreeSet<String> {
        let all = receiver.all().into_iter();
        all.filter_map(|one| one.body["data"]["userName"].as_str().map(ToOwned::to_owned)).collect()
    };
    eventually("every acknowledged user's event", async || wanted.is_subset(&names()).then_some(())).await;
    // Also what was committed and not acknowledged, and nothing that wasn't committed.
    let committed: Vec<Event> =
        process.operator.all_pages("/api/v1/events?limit=200&type=user.created").await;
    let committed: Vec<String> = committed.into_iter().map(|event| event.id).collect();
    let seen = || {
        let mut seen = BTreeSet::new();
        let first = receiver.all().into_iter().filter(|one| one.body["type"] == "user.created");
        first.map(|one| one.id).filter(|id| seen.insert(id.clone())).collect::<Vec<_>>()
    };
    eventually("every committed event", async || (seen().len() == committed.len()).then_some(())).await;
    assert_eq!(seen(), committed, "in the order in which they were told, whatever came twice");
    process.kill().await;
    receiver.stop().await;
}
