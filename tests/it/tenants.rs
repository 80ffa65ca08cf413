//! A tenant, from its creation to its end.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Exchanged, Organization, Reply, Run, TenantView, TestApp, eventually};

#[actix_web::test]
async fn a_tenant_is_provisioned_step_by_step_and_the_owner_invited() {
    let app = TestApp::start().await;
    let body = json!({"slug": "acme", "name": "Acme", "owner": {"email": "owner@acme.example"}, "quotas": {"users": 7}});
    let made = app.operator.post("/api/v1/tenants", body).await;
    assert_eq!(made.status, 202);
    let location = made.header("location").to_owned();
    assert_eq!(made.accepted::<TenantView>().status, "provisioning");
    eventually("the tenant to be active", async || {
        let tenant: TenantView = app.operator.get(&location).await.found();
        (tenant.status == "active").then_some(())
    })
    .await;
    let run = app.operator.run("acme").await;
    assert_eq!(run.status, "done");
    for step in &run.steps {
        assert_eq!((&*step.status, step.attempts), ("done", 1), "{step:?}");
        assert!(step.started_at.is_some() && step.finished_at.is_some());
    }
    let quotas = app.operator.get("/api/v1/tenants/acme/quotas").await.expect(200);
    let users = quotas["items"].as_array().unwrap().iter().find(|item| item["resource"] == "users").unwrap();
    assert_eq!(
        users,
        &json!({"resource": "users", "limit": 7, "used": 0, "remaining": 6, "reserved": 1, "softLimit": 4, "own": true})
    );
    let organization = app.operator.get("/api/v1/tenants/acme/organizations/default").await;
    assert_eq!(organization.found::<Organization>().slug, "default");
    assert!(!app.invitation_token("owner@acme.example").await.is_empty());
    app.stop().await;
}

#[actix_web::test]
async fn prefer_wait_answers_201_when_the_tenant_is_active() {
    let app = TestApp::start().await;
    let pool = app.operator.pool("shared").await;
    let request = app.operator.request(Method::POST, "/api/v1/tenants").header("Prefer", "wait=20");
    let made: TenantView =
        Reply::read(request.json(&json!({"slug": "acme", "name": "Acme"}))).await.created();
    assert_eq!((made.status.as_str(), made.plan.as_str()), ("active", "free"));
    assert_eq!(made.instance.id, Some(pool));
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_without_room_waits_visibly_until_there_is_some_or_it_is_given_up() {
    let app = TestApp::start().await;
    let body = json!({"slug": "acme", "name": "Acme", "instance": {"mode": "dedicated"}, "owner": {"email": "o@acme.example"}});
    app.operator.post("/api/v1/tenants", body).await.expect(202);
    let waiting = async || {
        eventually("the tenant to wait", async || {
            let run = app.operator.run("acme").await;
            let waits_for = run.steps[4].waits_for.as_deref();
            (waits_for == Some("capacity on an instance of driver pool and mode dedicated")).then_some(run)
        })
        .await
    };
    let run = waiting().await;
    assert_eq!((&*run.status, &*run.steps[4].status), ("running", "running"));
    assert_eq!(run.steps[4].attempts, 1, "waiting is no attempt");
    app.operator.post("/api/v1/tenants/acme/rollback", json!({})).await.expect(202);
    tests::status(&app.operator, "acme", "failed").await;
    let run = app.operator.run("acme").await;
    let states: Vec<&str> = run.steps.iter().map(|step| &*step.status).collect();
    assert_eq!(states[..5], ["compensated"; 5]);
    assert_eq!(states[5..], ["pending"; 3]);
    for what in ["organizations", "quotas", "invitations"] {
        assert_eq!(app.operator.get(&format!("/api/v1/tenants/acme/{what}")).await.count(), 0, "{what}");
    }
    app.operator.post("/api/v1/tenants/acme/rollback", json!({})).await.refused(409, "tenant.run_not_open");
    app.operator.post("/api/v1/tenants/acme/retry", json!({})).await.expect(202);
    waiting().await;
    // Nobody has to ask again: room is what it waited for.
    app.operator.instance(json!({"name": "own", "mode": "dedicated"})).await;
    tests::status(&app.operator, "acme", "active").await;
    let runs: Vec<Run> = app.operator.get("/api/v1/tenants/acme/runs").await.items();
    let statuses: Vec<&str> = runs.iter().map(|run| run.status.as_str()).collect();
    assert_eq!(statuses, ["done", "failed"]);
    app.stop().await;
}

#[actix_web::test]
async fn tenants_go_to_the_least_loaded_instance_with_room() {
    let app = TestApp::start().await;
    let draining = app.operator.pool("draining").await;
    app.operator
        .patch(&format!("/api/v1/instances/{draining}"), json!({"status": "draining"}))
        .await
        .expect(200);
    for name in ["a", "b"] {
        app.operator.instance(json!({"name": name, "mode": "shared", "capacity": 2})).await;
    }
    for number in 0..4 {
        app.tenant(&format!("t{number}")).await;
    }
    let counts: Vec<i64> = app.operator.instances().await.iter().map(|one| one.tenant_count).collect();
    assert_eq!(counts, [0, 2, 2]);
    app.operator.post("/api/v1/tenants", json!({"slug": "t5", "name": "5"})).await.expect(202);
    eventually("the fifth to find no room", async || {
        app.operator.run("t5").await.steps[4].waits_for.as_ref().map(drop)
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn suspending_cuts_every_path_and_resuming_opens_it() {
    let app = TestApp::start().await;
    let issuer = tests::Issuer::start();
    issuer.register(&app.operator).await;
    let acme = app.tenant("acme").await;
    let exchange = async || app.operator.exchange(&issuer.token("ann", "org_acme")).await;
    let session: Exchanged = exchange().await.found();
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    let suspended = async || app.events().await.iter().filter(|one| one.kind == "tenant.suspended").count();
    eventually("the suspension to be told", async || (suspended().await > 0).then_some(())).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    app.tenant("later").await;
    eventually("what came after", async || {
        let activated = app.events().await.into_iter().filter(|one| one.kind == "tenant.activated");
        (activated.count() == 2).then_some(())
    })
    .await;
    assert_eq!(suspended().await, 1, "what is so already is not told again");
    exchange().await.refused(403, "tenant.suspended");
    assert_eq!(acme.scim.get("/scim/v2/Users").await.status, 403);
    let refreshed = app
        .anyone()
        .form(
            "/oauth2/token",
            &[("grant_type", "refresh_token"), ("refresh_token", session.refresh_token.as_str())],
        )
        .await;
    refreshed.oauth_refused(400, "invalid_grant");
    let active =
        app.operator.form("/oauth2/introspect", &[("token", session.token.as_str())]).await.expect(200);
    assert_eq!(active, json!({"active": false}));
    acme.admin.get("/api/v1/tenants/acme/users").await.refused(403, "tenant.suspended");
    app.operator.post("/api/v1/tenants/acme/resume", json!({})).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    exchange().await.expect(200);
    acme.scim.get("/scim/v2/Users").await.expect(200);
    acme.admin.get("/api/v1/tenants/acme/users").await.expect(200);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_deleted_tenant_leaves_nothing_behind_and_frees_its_slug() {
    let app = TestApp::start().await;
    app.operator.pool("shared").await;
    let acme = app.tenant("acme").await;
    acme.user("ann").await;
    app.operator.delete("/api/v1/tenants/acme").await.expect(202);
    let by_id = format!("/api/v1/tenants/{}", acme.id);
    eventually("the tenant to be gone", async || {
        (app.operator.tenant(&acme.id).await.status == "deleted").then_some(())
    })
    .await;
    assert_eq!(app.operator.get("/api/v1/tenants/acme").await.status, 404);
    assert!(app.operator.users(&acme.id).await.is_empty());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(acme.scim.get("/scim/v2/Users").await.status, 401);
    assert_eq!(acme.admin.get(&by_id).await.status, 401);
    assert_eq!(app.operator.instances().await[0].tenant_count, 0);
    app.tenant("acme").await;
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_that_cannot_be_is_refused_with_a_reason() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let post = async |body: Value| app.operator.post("/api/v1/tenants", body).await;
    post(json!({"slug": "acme", "name": "x"})).await.refused(409, "tenant.slug_taken");
    post(json!({"slug": "b", "name": "x", "identity": {"externalId": "org_acme"}}))
        .await
        .refused(409, "tenant.external_id_taken");
    post(json!({"slug": "b", "name": "x", "plan": "gold"})).await.refused(400, "tenant.plan_unknown");
    post(json!({"slug": "b", "name": "x", "identity": {"backend": "keycloak"}}))
        .await
        .refused(400, "tenant.backend_unavailable");
    post(json!({"slug": "b", "name": "x", "instance": {"driver": "azure"}}))
        .await
        .refused(400, "tenant.backend_unavailable");
    for (body, pointer) in [
        (json!({"slug": "Not A Label", "name": "x"}), "/slug"),
        (json!({"slug": "admin", "name": "x"}), "/slug"),
        (json!({"slug": "b", "name": ""}), "/name"),
        (json!({"slug": "b", "name": "x", "isolation": "none"}), "/isolation"),
        (json!({"slug": "b", "name": "x", "owner": {"email": "nobody"}}), "/owner/email"),
        (json!({"slug": "b", "name": "x", "quotas": {"users": -1}}), "/quotas/users"),
        (json!({"slug": "b", "name": "x", "colour": "red"}), ""),
        (json!({"slug": 7, "name": "x"}), "/slug"),
    ] {
        let refusal = post(body.clone()).await.refused(400, "validation.failed");
        assert!(refusal.pointer().starts_with(pointer), "{body}: {refusal:?}");
    }
    assert_eq!(app.operator.get("/api/v1/tenants").await.count(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn a_change_of_plan_changes_the_limits_and_keeps_what_is_used() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro"})).await;
    for number in 0..6 {
        acme.user(&format!("u{number}")).await;
    }
    app.operator.patch("/api/v1/tenants/acme", json!({"plan": "free"})).await.expect(200);
    let refused = acme.scim.post("/scim/v2/Users", json!({"userName": "u7"})).await;
    assert_eq!(refused.status, 403);
    let quotas = app.operator.get("/api/v1/tenants/acme/quotas").await.expect(200);
    let users = quotas["items"].as_array().unwrap().iter().find(|item| item["resource"] == "users").unwrap();
    assert_eq!(
        users,
        &json!({"resource": "users", "limit": 5, "used": 6, "remaining": 0, "reserved": 0, "softLimit": 4, "own": false})
    );
    acme.admin.patch("/api/v1/tenants/acme", json!({"plan": "pro"})).await.refused(403, "auth.insufficient");
    acme.admin.patch("/api/v1/tenants/acme", json!({"name": "Acme 2"})).await.expect(200);
    app.stop().await;
}

#[actix_web::test]
async fn an_export_holds_everything_of_the_tenant_and_no_secret() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let issuer = tests::Issuer::start();
    issuer.register(&app.operator).await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let mut members = Vec::new();
    for number in 0..510 {
        let made = acme
            .scim
            .post(
                "/scim/v2/Users",
                json!({"userName": format!("u{number}"), "emails": [{"value": "a@b.example"}]}),
            )
            .await
            .created_id();
        members.push(json!({"value": made}));
        if number == 200 {
            app.operator
                .put("/api/v1/tenants/acme/quotas", json!({"items": [{"resource": "users", "limit": null}]}))
                .await
                .expect(200);
        }
    }
    acme.scim.post("/scim/v2/Groups", json!({"displayName": "all", "members": members})).await.expect(201);
    other.user("stranger").await;
    app.operator.exchange(&issuer.token("ann", "org_acme")).await.expect(200);
    app.operator
        .post("/api/v1/tenants/acme/organizations", json!({"slug": "emea", "name": "EMEA"}))
        .await
        .expect(201);
    let invited = json!({"email": "z@example.com", "role": "viewer", "organization": "emea"});
    app.operator.post("/api/v1/tenants/acme/invitations", invited).await.expect(201);
    let reply = acme.admin.get("/api/v1/tenants/acme/export").await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/x-ndjson"));
    let lines: Vec<Value> =
        reply.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |table: &str| lines.iter().filter(|line| line["table"] == table).count();
    assert_eq!(
        (of("tenant"), of("directory_user"), of("directory_group_member"), of("invitation")),
        (1, 511, 510, 1)
    );
    assert_eq!((of("session"), of("user_identity")), (1, 1));
    let last = lines.last().unwrap();
    assert_eq!(
        (last["complete"].as_bool(), last["rows"].as_u64()),
        (Some(true), Some(lines.len() as u64 - 1))
    );
    let user = lines.iter().find(|line| line["table"] == "directory_user").unwrap();
    assert!(
        user["row"]["resource"]["userName"].is_string() && user["row"]["id"].as_str().unwrap().len() == 36,
        "{user}"
    );
    for secret in ["argon2", "digest", "secret_hash", "stranger", "private_key"] {
        assert!(!reply.text.contains(secret), "{secret}");
    }
    other.admin.get("/api/v1/tenants/acme/export").await.refused(404, "not_found");
    assert_eq!(app.audit("tenant.export").await.len(), 1);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_suspended_tenants_deliveries_are_held_but_those_that_tell_of_it() {
    // The next attempt comes when the clock is put forward, and no sooner.
    let app = TestApp::with(|config| config.section_mut::<delivery::Settings>().retry_base_ms = 60_000).await;
    let endpoint = tests::Receiver::start();
    endpoint.answer(503);
    app.operator.webhook(&endpoint.url, &["user.created", "tenant.suspended"]).await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    acme.user("ann").await;
    eventually("a failed attempt", async || {
        let all: Vec<tests::Delivery> = app.operator.get("/api/v1/deliveries").await.items();
        all.iter().any(|one| one.attempts == 1).then_some(())
    })
    .await;
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    endpoint.answer(204);
    app.clock.advance(chrono::TimeDelta::seconds(70));
    endpoint.until("the suspension", |one| one.body["type"] == "tenant.suspended").await;
    // What comes later of others passes it.
    other.user("bob").await;
    endpoint.until("another tenant's", |one| one.body["data"]["userName"] == "bob").await;
    let ann = || endpoint.all().iter().filter(|one| one.body["data"]["userName"] == "ann").count();
    assert_eq!(ann(), 1, "the attempt before");
    app.operator.post("/api/v1/tenants/acme/resume", json!({})).await.expect(200);
    // It was looked at again every ten seconds.
    app.clock.advance(chrono::TimeDelta::seconds(10));
    eventually("what was held", async || (ann() == 2).then_some(())).await;
    endpoint.stop().await;
    app.stop().await;
}
