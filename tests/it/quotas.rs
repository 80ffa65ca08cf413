//! Quotas and plans that bite: reservations, soft limits, resources of modules, entitlements, history.

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tests::{Client, Entitlements, Process, Quota, Reply, Reservation, Store, TestApp, on_postgres};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
const RESERVATIONS: &str = "/api/internal/quotas/reservations";

async fn reserve(client: &Client, resource: &str, amount: i64) -> Reply {
    client.post(RESERVATIONS, json!({"tenantId": "acme", "resource": resource, "amount": amount})).await
}

async fn quota(client: &Client, resource: &str) -> Quota {
    client.quota("acme", resource).await
}

fn counts(quota: &Quota) -> (i64, i64, i64) {
    (quota.used, quota.reserved, quota.remaining.unwrap())
}

#[actix_web::test]
async fn a_module_holds_commits_and_gives_back() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let module = app.key("module", None).await;
    let held = reserve(&module, "nodes", 2).await;
    assert_eq!(held.header("x-quota-remaining"), "1");
    let id = held.created_id();
    assert_eq!(counts(&quota(&app.operator, "nodes").await), (0, 2, 1));
    let refused = reserve(&module, "nodes", 2).await.refused(403, "quota.exceeded");
    assert_eq!((refused.fact("limit").as_i64(), refused.fact("reserved").as_i64()), (Some(3), Some(2)));
    assert_eq!(refused.detail, "Only 1 left of `nodes`.");
    let commit = format!("{RESERVATIONS}/{id}/commit");
    for _ in 0..2 {
        assert_eq!(module.post(&commit, json!({})).await.found::<Reservation>().status, "committed");
    }
    assert_eq!(counts(&quota(&app.operator, "nodes").await), (2, 0, 1));
    for _ in 0..2 {
        assert_eq!(module.delete(&format!("{RESERVATIONS}/{id}")).await.status, 204);
    }
    assert_eq!(counts(&quota(&app.operator, "nodes").await), (0, 0, 3));
    module.post(&commit, json!({})).await.refused(409, "quota.reservation_closed");
    // What is held for too long is free again, also without anybody cleaning up.
    let short = json!({"tenantId": "acme", "resource": "nodes", "amount": 3, "lifetimeSeconds": 60});
    let late = module.post(RESERVATIONS, short).await.created_id();
    reserve(&module, "nodes", 1).await.refused(403, "quota.exceeded");
    app.clock.advance(TimeDelta::seconds(61));
    reserve(&module, "nodes", 3).await.expect(201);
    module
        .post(&format!("{RESERVATIONS}/{late}/commit"), json!({}))
        .await
        .refused(409, "quota.reservation_closed");
    assert_eq!(counts(&quota(&app.operator, "nodes").await), (0, 3, 0));
    acme.admin
        .post(RESERVATIONS, json!({"tenantId": "acme", "resource": "nodes", "amount": 1}))
        .await
        .refused(403, "auth.insufficient");
    for (body, pointer) in [
        (json!({"tenantId": "acme", "resource": "nodes", "amount": 0}), "/amount"),
        (json!({"tenantId": "acme", "resource": "No des", "amount": 1}), "/resource"),
        (
            json!({"tenantId": "acme", "resource": "nodes", "amount": 1, "lifetimeSeconds": 0}),
            "/lifetimeSeconds",
        ),
    ] {
        let refused = module.post(RESERVATIONS, body).await.refused(400, "validation.failed");
        assert_eq!(refused.pointer(), pointer);
    }
    module
        .post(RESERVATIONS, json!({"tenantId": "nobody", "resource": "nodes", "amount": 1}))
        .await
        .refused(404, "not_found");
    reserve(&module, "dragons", 1).await.refused(400, "quota.resource_unknown");
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    reserve(&module, "nodes", 1).await.refused(403, "tenant.suspended");
    app.stop().await;
}

#[actix_web::test]
async fn a_module_declares_what_it_counts_and_plans_say_how_much() {
    let app = TestApp::start().await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let declared =
        json!({"key": "simulations", "name": "Simulations a month", "limits": {"free": 3, "pro": null}});
    app.operator.post("/api/v1/quota-resources", declared.clone()).await.expect(201);
    app.operator.post("/api/v1/quota-resources", declared).await.refused(409, "quota.resource_exists");
    let own = json!({"key": "users", "name": "x"});
    app.operator.post("/api/v1/quota-resources", own).await.refused(400, "validation.failed");
    reserve(&app.operator, "simulations", 3).await.expect(201);
    reserve(&app.operator, "simulations", 1).await.refused(403, "quota.exceeded");
    app.operator.patch("/api/v1/tenants/acme", json!({"plan": "pro"})).await.expect(200);
    reserve(&app.operator, "simulations", 100).await.expect(201);
    assert_eq!(quota(&app.operator, "simulations").await.limit, None);
    // Back on the smaller plan: what is held stays, nothing new comes.
    app.operator.patch("/api/v1/tenants/acme", json!({"plan": "free"})).await.expect(200);
    reserve(&app.operator, "simulations", 1).await.refused(403, "quota.exceeded");
    app.stop().await;
}

#[actix_web::test]
async fn an_own_limit_stays_over_plans_and_is_never_below_what_is_used() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro"})).await;
    for name in ["a", "b"] {
        acme.scim.post("/scim/v2/Users", json!({"userName": name})).await.expect(201);
    }
    let put = async |limit: Value| {
        app.operator
            .put(
                "/api/v1/tenants/acme/quotas",
                json!({"items": [{"resource": "users", "limit": limit}, {"resource": "nodes", "limit": 7}]}),
            )
            .await
    };
    let refused = put(json!(1)).await.refused(409, "quota.below_usage");
    assert_eq!(*refused.fact("used"), 2);
    assert_eq!(quota(&app.operator, "nodes").await.limit, Some(25), "nothing is half set");
    put(Value::Null).await.expect(200);
    app.operator.patch("/api/v1/tenants/acme", json!({"plan": "free"})).await.expect(200);
    let users = quota(&app.operator, "users").await;
    assert_eq!((users.limit, users.own), (None, true), "no limit of its own stays");
    assert_eq!(quota(&app.operator, "nodes").await.limit, Some(7));
    assert_eq!(quota(&app.operator, "groups").await.limit, Some(50));
    app.stop().await;
}

#[actix_web::test]
async fn a_soft_limit_is_told_once_and_admins_and_connections_are_counted() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let mut last = String::new();
    for number in 0..5 {
        let made = acme.scim.post("/scim/v2/Users", json!({"userName": format!("u{number}")})).await;
        if number == 4 {
            assert_eq!(made.header("x-quota-soft-limit"), "4");
        }
        last = made.created_id();
    }
    assert_eq!(app.audit("quota.soft_limit").await.len(), 1);
    let full = acme.scim.post("/scim/v2/Users", json!({"userName": "u5"})).await;
    assert_eq!(full.json()["detail"], "This would exceed the quota: the limit of `users` is 5.");
    full.scim_refused(403, None);
    assert_eq!(quota(&app.operator, "admins").await.used, 0);
    let user = format!("/api/v1/tenants/acme/users/{last}");
    app.operator.patch(&user, json!({"role": "admin"})).await.expect(200);
    assert_eq!(quota(&app.operator, "admins").await.used, 1);
    app.operator
        .put(
            "/api/v1/tenants/acme/quotas",
            json!({"items": [{"resource": "admins", "limit": 1}, {"resource": "connections", "limit": 1}]}),
        )
        .await
        .expect(200);
    let users = app.operator.users("acme").await;
    let other = users.iter().find(|user| user.id != last).unwrap();
    let other = format!("/api/v1/tenants/acme/users/{}", other.id);
    app.operator.patch(&other, json!({"role": "admin"})).await.refused(403, "quota.exceeded");
    let path = "/api/v1/tenants/acme/organizations/default/connections";
    let connection = json!({"type": "oidc", "name": "c", "issuer": "https://idp.example", "clientId": "x"});
    let made = app.operator.post(path, connection.clone()).await.created_id();
    app.operator.post(path, connection.clone()).await.refused(403, "quota.exceeded");
    assert_eq!(app.operator.delete(&format!("{path}/{made}")).await.status, 204);
    app.operator.post(path, connection).await.expect(201);
    app.stop().await;
}

#[actix_web::test]
async fn modules_ask_what_a_plan_entitles_to() {
    let app = TestApp::start().await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let module = app.key("module", None).await;
    let ask = async |query: &str| {
        module.get(&format!("/api/internal/entitlements?tenant=acme{query}")).await.found::<Entitlements>()
    };
    assert_eq!(ask("").await.entitlements["kombiStack"], "read-only");
    let one = ask("&feature=kombiStack").await;
    assert_eq!((one.entitled, one.entitlements), (Some(true), json!({"kombiStack": "read-only"})));
    assert_eq!(ask("&feature=prioritySupport").await.entitled, Some(false));
    // Data, not code: an operator changes the plan, and modules see it.
    let plan = app.operator.get("/api/v1/plans/free").await.expect(200);
    let changed = json!({"name": "Free", "quotas": plan["quotas"], "rateMultiplier": 1, "entitlements": {"prioritySupport": true}});
    app.operator.put("/api/v1/plans/free", changed).await.expect(200);
    assert_eq!(ask("&feature=prioritySupport").await.entitled, Some(true));
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    assert_eq!(ask("&feature=prioritySupport").await.entitled, Some(false));
    app.stop().await;
}

/// Requests from several processes at once, many more than there is room for.
#[actix_web::test]
async fn concurrent_reservations_from_several_processes_end_exactly_at_the_limit() {
    let (processes, requests, limit) =
        if on_postgres().is_some() { (4, 10_000, 1_000) } else { (2, 1_000, 100) };
    let store = Store::new().await;
    let settings = [("TENANTRY__RATE_LIMIT__ENABLED", "false"), ("TENANTRY__DATABASE__CONNECTIONS_MAX", "8")];
    let mut running = Vec::new();
    for _ in 0..processes {
        running.push(Process::start(PROGRAM, &store, None, &settings).await);
    }
    let body = json!({"slug": "acme", "name": "Acme", "quotas": {"nodes": limit}});
    running[0].operator.active_tenant(body).await;
    let answers: Vec<u16> = futures_util::stream::iter(0..requests)
        .map(|number| {
            let client = &running[number % processes].operator;
            async move {
                let reply = reserve(client, "nodes", 1).await;
                if reply.status == 201 && number % 3 == 0 {
                    let path = format!("{RESERVATIONS}/{}/commit", reply.created_id());
                    client.post(&path, json!({})).await.expect(200);
                    return 201;
                }
                reply.status.as_u16()
            }
        })
        .buffer_unordered(32)
        .collect()
        .await;
    let of = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((of(201), of(403)), (limit, requests - limit));
    let (used, reserved, remaining) = counts(&quota(&running[0].operator, "nodes").await);
    assert_eq!((used + reserved, remaining), (i64::try_from(limit).unwrap(), 0));
    for process in running {
        process.kill().await;
    }
}

#[actix_web::test]
async fn what_was_used_is_remembered_by_day() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let user = acme.user("u").await;
    let service = &app.running.service;
    let ctx = platform::Ctx::system("test");
    let sample =
        async || service.db.write_platform(&ctx, async |tx| quota::sample(tx, service).await).await.unwrap();
    sample().await;
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Users/{user}")).await.status, 204);
    sample().await;
    app.clock.advance(TimeDelta::days(1));
    acme.user("v").await;
    acme.user("w").await;
    sample().await;
    let history = app.operator.get("/api/v1/tenants/acme/quotas/history?resource=users").await.expect(200);
    let used: Vec<i64> =
        history["items"].as_array().unwrap().iter().map(|one| one["used"].as_i64().unwrap()).collect();
    assert_eq!(used, [2, 1], "the most of each day, latest first");
    app.stop().await;
}
