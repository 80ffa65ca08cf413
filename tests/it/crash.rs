//! The process is killed at named places, before and after each outside effect, and started again.

mod deliveries;
mod random;

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use provisioning::Steps as _;
use serde_json::{Value, json};
use tests::{Bulk, BulkOperation, ManagementKey, Process, Receiver, Restore, SmtpServer, Store, eventually};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
/// Asks for a tenant. The process may die before it answers: the run begins with the commit, not with the reply.
async fn post(process: &Process, body: Value) {
    if let Ok(answer) =
        process.operator.request(reqwest::Method::POST, "/api/v1/tenants").json(&body).send().await
    {
        assert_eq!(answer.status(), 202);
    }
}

/// Where a process dies at a step.
fn moments(step: &str) -> [String; 3] {
    ["before", "during", "after"].map(|moment| format!("provisioning.{step}.{moment}"))
}

#[actix_web::test]
async fn a_tenant_ends_active_wherever_the_process_dies() {
    let places = provisioning::Kind::Provision.steps().iter().flat_map(|step| moments(step.name));
    // Each on a store of its own, so that only this tenant's run can reach the place; mostly they wait for a lease to end.
    futures_util::stream::iter(places)
        .for_each_concurrent(6, |place| async move { dies_at(&place).await })
        .await;
}

async fn dies_at(place: &str) {
    let store = Store::new().await;
    let module = Receiver::start();
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    process.operator.module("m", &module.url).await;
    process.operator.flag("f").await;
    process.operator.pool("shared").await;
    process.kill().await;
    let mut dying = Process::start(PROGRAM, &store, Some(place), &[]).await;
    post(&dying, json!({"slug": "acme", "name": "Acme", "identity": {"kind": "realm"}, "owner": {"email": "o@example.com"}})).await;
    dying.killed().await;
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    tests::status(&process.operator, "acme", "active").await;
    let of = |what: &str| format!("/api/v1/tenants/acme/{what}");
    assert_eq!(process.operator.get(&of("organizations")).await.count(), 1, "{place}");
    assert_eq!(process.operator.get(&of("invitations")).await.count(), 1, "{place}");
    let run = process.operator.run("acme").await;
    assert!(run.steps.iter().all(|step| step.status == "done"), "{place}: {run:?}");
    let keys = process.operator.anonymous().get("/realms/acme/oauth2/jwks").await.expect(200);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{place}");
    assert_eq!(
        process.operator.instances().await[0].tenant_count,
        1,
        "{place}: a place is neither lost nor taken twice"
    );
    assert_eq!(process.operator.anonymous().mails().await.len(), 1, "{place}");
    // The flags reached the module; what came twice has the same id.
    module.until("the tenant's flags", |push| push.body["tenantSlug"] == "acme").await;
    let mut ids: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for push in module.all() {
        ids.entry(push.body["version"].to_string()).or_default().insert(push.id);
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "{place}: {ids:?}");
    process.kill().await;
    module.stop().await;
}

#[actix_web::test]
async fn a_run_that_is_unwound_ends_clean_wherever_the_process_dies() {
    futures_util::stream::iter(provisioning::Kind::Provision.steps().iter().map(|step| step.name))
        .for_each_concurrent(6, dies_unwinding)
        .await;
}

async fn dies_unwinding(step: &str) {
    let store = Store::new().await;
    // The run is given up at `activate`.
    let settings = [("TENANTRY_TEST_FAIL_AT", "provisioning.acme.activate.before")];
    let mut dying =
        Process::start(PROGRAM, &store, Some(&format!("provisioning.{step}.undo")), &settings).await;
    post(&dying, json!({"slug": "acme", "name": "Acme", "identity": {"kind": "realm"}, "owner": {"email": "o@example.com"}})).await;
    dying.killed().await;
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    tests::status(&process.operator, "acme", "failed").await;
    assert_eq!(process.operator.get("/api/v1/tenants/acme/organizations").await.count(), 0, "{step}");
    assert_eq!(process.operator.get("/api/v1/tenants/acme/quotas").await.count(), 0, "{step}");
    assert_eq!(process.operator.anonymous().get("/realms/acme/oauth2/jwks").await.status, 404, "{step}");
    let run = process.operator.run("acme").await;
    assert_eq!(run.status, "failed", "{step}");
    assert!(run.steps.iter().all(|step| matches!(&*step.status, "compensated" | "pending")), "{run:?}");
    process.kill().await;
}

#[actix_web::test]
async fn a_deprovisioning_ends_wherever_the_process_dies() {
    let steps = provisioning::Kind::Deprovision.steps();
    let places = steps.iter().flat_map(|step| moments(step.name));
    futures_util::stream::iter(places)
        .for_each_concurrent(6, |place| async move { dies_deprovisioning(&place).await })
        .await;
}

async fn dies_deprovisioning(place: &str) {
    let store = Store::new().await;
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    process.operator.pool("shared").await;
    let body = json!({"slug": "acme", "name": "Acme", "identity": {"kind": "realm"}, "owner": {"email": "o@example.com"}});
    let id = process.operator.active_tenant(body).await.id;
    process.kill().await;
    let mut dying = Process::start(PROGRAM, &store, Some(place), &[]).await;
    // The process may die before it answers: the run begins with the commit, not with the reply.
    let _ = dying.operator.request(reqwest::Method::DELETE, &format!("/api/v1/tenants/{id}")).send().await;
    dying.killed().await;
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    tests::status(&process.operator, &id, "deleted").await;
    for what in ["organizations", "quotas", "invitations", "users"] {
        assert_eq!(
            process.operator.get(&format!("/api/v1/tenants/{id}/{what}")).await.count(),
            0,
            "{place}: {what}"
        );
    }
    assert_eq!(process.operator.anonymous().get("/realms/acme/oauth2/jwks").await.status, 404, "{place}");
    assert_eq!(process.operator.instances().await[0].tenant_count, 0, "{place}");
    process.kill().await;
}

#[actix_web::test]
async fn sigterm_drains_and_exits_with_zero() {
    let store = Store::new().await;
    let process = Process::start(PROGRAM, &store, None, &[("TENANTRY__SERVER__DRAIN", "5s")]).await;
    let client = process.operator.clone();
    let id = process.id();
    let _ = std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
    let draining = eventually("readiness to go", async || {
        let answer = client.anonymous().request(reqwest::Method::GET, "/ready").send().await.ok()?;
        (answer.status() == 503).then_some(())
    });
    draining.await;
    client.get("/api/v1/tenants").await.expect(200);
    assert_eq!(process.terminate().await, Some(0));
}

#[actix_web::test]
async fn two_processes_share_one_store_and_no_work_is_done_twice() {
    let store = Store::new().await;
    let module = Receiver::start();
    // The usual lease: one of a second is lost where two processes write to one file on a busy machine, and a push comes twice by right.
    let settings = [("TENANTRY__JOBS__LEASE", "10s")];
    let one = Process::start(PROGRAM, &store, None, &settings).await;
    one.operator.module("m", &module.url).await;
    one.operator.flag("f").await;
    one.operator.pool("shared").await;
    let two = Process::start(PROGRAM, &store, None, &settings).await;
    let slugs: Vec<String> = (0..12).map(|number| format!("t{number}")).collect();
    for (number, slug) in slugs.iter().enumerate() {
        let process = if number % 2 == 0 { &one } else { &two };
        let body = json!({"slug": slug, "name": slug, "owner": {"email": format!("{slug}@example.com")}});
        process.operator.post("/api/v1/tenants", body).await.expect(202);
    }
    for slug in &slugs {
        tests::status(&two.operator, slug, "active").await;
        module.until("the tenant's flags", |push| push.body["tenantSlug"] == slug.as_str()).await;
    }
    assert_eq!(one.operator.instances().await[0].tenant_count, slugs.len() as i64);
    assert_eq!(one.operator.anonymous().mails().await.len(), slugs.len());
    let mut seen = std::collections::BTreeSet::new();
    assert!(
        module.all().into_iter().all(|push| seen.insert(push.id)),
        "a push came twice though nobody died"
    );
    // A key revoked by one is refused by the other within a second.
    let key: ManagementKey =
        one.operator.post("/api/v1/keys", json!({"name": "k", "role": "auditor"})).await.created();
    let auditor = two.operator.with(key.token.unwrap());
    auditor.get("/api/v1/tenants").await.expect(200);
    assert_eq!(one.operator.delete(&format!("/api/v1/keys/{}", key.id)).await.status, 204);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(auditor.get("/api/v1/tenants").await.status, 401);
    one.kill().await;
    two.kill().await;
    module.stop().await;
}

/// A tenant with a token, and what it needs to go on after a kill.
async fn synced(process: &Process, users: usize) -> (tests::Client, Vec<String>) {
    process.operator.made_tenant(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
    let tokens = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let made = process.operator.post(tokens, json!({"name": "idp"})).await.created_token();
    let scim = process.operator.with(made);
    let operations: Vec<Value> = (0..users)
        .map(|n| json!({"method": "POST", "path": "/Users", "bulkId": n.to_string(), "data": {"userName": format!("u{n:03}")}}))
        .collect();
    let done: Bulk = scim.post("/scim/v2/Bulk", json!({"Operations": operations})).await.found();
    let ids = done.operations.iter().map(BulkOperation::id).collect();
    (scim, ids)
}

#[actix_web::test]
async fn a_restore_goes_on_where_the_process_died() {
    let store = Store::new().await;
    let settings = [("TENANTRY__RATE_LIMIT__ENABLED", "false")];
    for place in ["restore.before_batch", "restore.after_batch"] {
        let store = if place == "restore.before_batch" { &store } else { &Store::new().await };
        let mut process = Process::start(PROGRAM, store, Some(place), &settings).await;
        let (scim, ids) = synced(&process, 150).await;
        let moment = chrono::Utc::now();
        let operations: Vec<Value> =
            ids.iter().map(|id| json!({"method": "DELETE", "path": format!("/Users/{id}")})).collect();
        scim.post("/scim/v2/Bulk", json!({"Operations": operations})).await.expect(200);
        let restores = "/api/v1/tenants/acme/organizations/default/directory-restores";
        process.operator.post(restores, json!({"moment": moment.to_rfc3339()})).await.expect(202);
        process.killed().await;
        let process = Process::start(PROGRAM, store, None, &settings).await;
        eventually("the restore to end", async || {
            let all: Vec<Restore> = process.operator.get(restores).await.items();
            all.into_iter().find(|one| one.status == "done" && one.done == 150)
        })
        .await;
        let scim = process.operator.with(scim.bearer.expect("a token"));
        let page = scim.get("/scim/v2/Users?count=1000&attributes=id").await.expect(200);
        let mut back: Vec<&str> = page["Resources"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| one["id"].as_str())
            .collect();
        back.sort_unstable();
        let mut wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        assert_eq!(back, wanted, "{place}: everybody is back, as the same");
        assert_eq!(process.operator.quota("acme", "users").await.used, 150, "{place}");
        process.kill().await;
    }
}

#[actix_web::test]
async fn a_rehearsal_is_copied_once_wherever_the_process_dies() {
    let store = Store::new().await;
    let mut process = Process::start(PROGRAM, &store, Some("dry_run.before_commit"), &[]).await;
    let (_, ids) = synced(&process, 20).await;
    let tokens = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let made = process.operator.post(tokens, json!({"name": "dry", "dryRun": true})).await.created_token();
    process.killed().await;
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let dry = process.operator.with(made);
    let found = eventually("the copy", async || {
        let reply = dry.get("/scim/v2/Users?count=0").await;
        (reply.status == 200).then(|| reply.total())
    });
    assert_eq!(found.await, ids.len() as i64);
    process.kill().await;
}

#[actix_web::test]
async fn a_move_ends_wherever_the_process_dies() {
    let places = provisioning::Kind::Move.steps().iter().flat_map(|step| moments(step.name));
    futures_util::stream::iter(places)
        .for_each_concurrent(6, |place| async move { dies_moving(&place).await })
        .await;
}

async fn dies_moving(place: &str) {
    let store = Store::new().await;
    let settings = [("TENANTRY__PROVISIONING__DRAIN_PERIOD", "0s")];
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    process.operator.pool("shared").await;
    process.operator.active_tenant(json!({"slug": "acme", "name": "Acme"})).await;
    let to = process.operator.pool("other").await;
    process.kill().await;
    let mut dying = Process::start(PROGRAM, &store, Some(place), &settings).await;
    let request = dying.operator.request(reqwest::Method::POST, "/api/v1/tenants/acme/move");
    // The process may die before it answers.
    let _ = request.json(&json!({"instanceId": to, "identity": {"kind": "realm"}})).send().await;
    dying.killed().await;
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    eventually("the move", async || {
        let run = process.operator.run("acme").await;
        (run.kind == "move" && run.status == "done").then_some(())
    })
    .await;
    let tenant = process.operator.tenant("acme").await;
    assert_eq!(tenant.instance.id, Some(to), "{place}");
    assert_eq!(tenant.identity.kind, "realm", "{place}");
    let keys = process.operator.anonymous().get("/realms/acme/oauth2/jwks").await.expect(200);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{place}");
    let counts: Vec<i64> = process.operator.instances().await.iter().map(|one| one.tenant_count).collect();
    assert_eq!(counts, [0, 1], "{place}: a place is neither lost nor taken twice");
    process.kill().await;
}

#[actix_web::test]
async fn what_came_in_is_done_once_wherever_the_process_dies() {
    let places = ["inbox.received", "inbox.processing", "inbox.processed"];
    futures_util::stream::iter(places).for_each_concurrent(3, dies_settling).await;
}

async fn dies_settling(place: &str) {
    let store = Store::new().await;
    let settings =
        [("TENANTRY__BILLING__STRIPE_SECRET", "whsec_x"), ("TENANTRY__BILLING__PRICES", "price_1=pro")];
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    process.operator.active_tenant(json!({"slug": "acme", "name": "Acme"})).await;
    process.kill().await;
    let body = json!({"id": "evt_1", "type": "customer.subscription.created", "created": 1_795_000_000, "data": {"object": {
        "id": "sub_1", "customer": "cus_1", "status": "active", "metadata": {"tenant_id": "acme"},
        "items": {"data": [{"price": {"id": "price_1"}}]},
    }}})
    .to_string();
    let send = async |process: &Process| {
        let now = platform::clock::Clock::default().now().timestamp();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"whsec_x");
        let tag = aws_lc_rs::hmac::sign(&key, format!("{now}.{body}").as_bytes());
        let signature = format!("t={now},v1={}", platform::crypto::hex(tag.as_ref()));
        let request = process.operator.anonymous().request(reqwest::Method::POST, "/api/webhooks/stripe");
        request.header("stripe-signature", signature).body(body.clone()).send().await
    };
    let mut dying = Process::start(PROGRAM, &store, Some(place), &settings).await;
    let _ = send(&dying).await;
    dying.killed().await;
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    // Stripe sends again what was not acknowledged.
    assert_eq!(send(&process).await.expect("an answer").status(), 200);
    eventually("the plan", async || (process.operator.tenant("acme").await.plan == "pro").then_some(()))
        .await;
    process.operator.inbox_is_through().await;
    assert_eq!(process.operator.get("/api/v1/audit-events?action=inbox.receive").await.count(), 1, "{place}");
    assert_eq!(process.operator.get("/api/v1/audit-events?action=tenant.plan").await.count(), 1, "{place}");
    process.kill().await;
}
