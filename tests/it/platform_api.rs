//! What every route has: request ids, idempotency, cursors, versions, limits; and the operator's probes.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::{Client, ListPage, Organization, Reply, TestApp, WebhookEndpoint};

async fn keyed(client: &Client, key: &str, path: &str, body: serde_json::Value) -> Reply {
    Reply::read(client.request(Method::POST, path).header("Idempotency-Key", key).json(&body)).await
}

#[actix_web::test]
async fn a_repeat_gets_the_first_reply_secret_included() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let first = keyed(&acme.admin, "\"k1\"", path, json!({"name": "okta"})).await;
    assert_eq!(first.status, 201);
    let again = keyed(&acme.admin, "k1", path, json!({"name": "okta"})).await;
    assert_eq!(
        (again.status, &again.text, again.header("location")),
        (first.status, &first.text, first.header("location"))
    );
    assert_eq!(again.header("idempotency-replayed"), "true");
    keyed(&acme.admin, "k1", path, json!({"name": "other"})).await.refused(422, "idempotency.mismatch");
    keyed(&acme.admin, "", path, json!({"name": "x"})).await.refused(400, "validation.failed");
    assert_eq!(
        keyed(&app.operator, "k1", path, json!({"name": "okta"})).await.status,
        201,
        "another caller's key is another key"
    );
    keyed(&acme.admin, "k2", path, json!({"name": ""})).await.refused(400, "validation.failed");
    keyed(&acme.admin, "k2", path, json!({"name": "mended"})).await.expect(201);
    app.clock.advance(chrono::TimeDelta::hours(25));
    assert_ne!(keyed(&acme.admin, "k1", path, json!({"name": "okta"})).await.text, first.text);
    app.stop().await;
}

#[actix_web::test]
async fn lists_are_walked_by_cursors_that_fit_no_other_list() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    for number in 0..6 {
        let body = json!({"slug": format!("o{number}"), "name": "x"});
        acme.admin.post("/api/v1/tenants/acme/organizations", body).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/tenants/acme/organizations?limit=3".to_owned();
    loop {
        let page: ListPage<Organization> = acme.admin.get(&path).await.found();
        seen.extend(page.items.into_iter().map(|item| item.slug));
        let Some(cursor) = page.next_cursor else { break };
        other
            .admin
            .get(&format!("/api/v1/tenants/other/organizations?cursor={cursor}"))
            .await
            .refused(400, "validation.cursor");
        path = format!("/api/v1/tenants/acme/organizations?limit=3&cursor={cursor}");
    }
    assert_eq!(seen.len(), 7);
    for query in ["limit=0", "limit=201", "limit=x", "colour=red", "cursor=%00"] {
        acme.admin
            .get(&format!("/api/v1/tenants/acme/organizations?{query}"))
            .await
            .refused(400, "validation.failed");
    }
    acme.admin.get("/api/v1/tenants/acme/organizations?cursor=AAAA").await.refused(400, "validation.cursor");
    app.stop().await;
}

#[actix_web::test]
async fn a_write_to_a_version_that_was_not_seen_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let seen = acme.admin.get("/api/v1/tenants/acme").await;
    let etag = seen.header("etag").to_owned();
    let change = async |name: &str, tag: &str| {
        let request = acme
            .admin
            .request(Method::PATCH, "/api/v1/tenants/acme")
            .header("If-Match", tag)
            .json(&json!({"name": name}));
        Reply::read(request).await
    };
    let changed = change("one", &etag).await;
    assert_eq!(changed.status, 200);
    change("two", &etag).await.refused(412, "conflict.version");
    change("three", changed.header("etag")).await.expect(200);
    change("four", "*").await.expect(200);
    let current = acme.admin.get("/api/v1/tenants/acme").await;
    let request = acme
        .admin
        .request(Method::GET, "/api/v1/tenants/acme")
        .header("If-None-Match", current.header("etag"));
    assert_eq!(Reply::read(request).await.status, 304);
    app.stop().await;
}

#[actix_web::test]
async fn limits_follow_the_plan_and_say_so() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "free"})).await;
    let first = acme.admin.get("/api/v1/tenants/acme").await;
    assert_eq!(
        (first.header("x-ratelimit-limit"), first.header("ratelimit-policy")),
        ("100", "\"api\";q=100;w=60")
    );
    // Fifty at once, and again: on a machine so slow that a hundred take a minute, one by one, each would find what came back meanwhile.
    let mut refused = None;
    for _ in 0..4 {
        let all = join_all((0..50).map(|_| acme.admin.get("/api/v1/tenants/acme"))).await;
        refused = all.into_iter().find(|reply| reply.status == 429);
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("a limit");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    refused.refused(429, "rate.limited");
    assert_eq!(
        app.operator.get("/api/v1/tenants/acme").await.header("x-ratelimit-limit"),
        "",
        "platform keys have no plan"
    );
    let scim = acme.scim.get("/scim/v2/Users").await;
    assert_eq!(
        (scim.header("x-ratelimit-limit"), scim.header("ratelimit-policy")),
        ("25", "\"scim\";q=25;w=1")
    );
    for _ in 0..25 {
        app.anyone().form("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
    }
    let guessed =
        app.anyone().form("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
    assert_eq!(guessed.status, 429, "failures count by address");
    app.stop().await;
}

#[actix_web::test]
async fn requests_have_ids_and_answers_have_headers() {
    let app = TestApp::start().await;
    let with = async |id: &str| {
        let request = app.operator.request(Method::GET, "/api/v1/tenants").header("X-Request-Id", id);
        Reply::read(request).await.header("x-request-id").to_owned()
    };
    assert_eq!(with("abc-123").await, "abc-123");
    assert_ne!(with("a b").await, "a b");
    assert_ne!(with(&"x".repeat(200)).await, "x".repeat(200));
    let missing = app.operator.get("/nowhere").await;
    assert_eq!(
        (missing.header("x-content-type-options"), missing.header("cache-control")),
        ("nosniff", "no-store")
    );
    missing.refused(404, "not_found");
    let wrong = Reply::read(app.operator.request(Method::PUT, "/api/v1/tenants")).await;
    assert_eq!(wrong.header("allow"), "GET, POST");
    wrong.refused(405, "method_not_allowed");
    app.stop().await;
}

#[actix_web::test]
async fn probes_metrics_and_contract_are_there_without_a_key() {
    let app = TestApp::start().await;
    let health = app.anyone().get("/health").await.expect(200);
    assert_eq!(
        (health["status"].as_str(), health["checks"]["database"].as_str()),
        (Some("healthy"), Some("ok"))
    );
    app.anyone().get("/ready").await.expect(200);
    let metrics = app.anyone().get("/metrics").await;
    assert!(metrics.text.contains("tenantry_http_requests_total"), "{}", metrics.text);
    assert_eq!(app.anyone().get("/openapi.json").await.expect(200)["info"]["title"], "tenantry");
    assert!(app.anyone().get("/docs").await.text.contains("/api/v1/tenants"));
    app.running.service.drain();
    assert_eq!(app.anyone().get("/ready").await.status, 503);
    app.stop().await;
}

#[actix_web::test]
async fn no_secret_is_shown_twice_or_kept_in_the_clear() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let module = app.operator.module("m", "http://127.0.0.1:9").await;
    let endpoint: WebhookEndpoint =
        app.operator.post("/api/v1/webhook-endpoints", json!({"url": "http://127.0.0.1:9"})).await.created();
    keyed(&acme.admin, "k", "/api/v1/tenants/acme/organizations/default/scim-tokens", json!({"name": "x"}))
        .await
        .expect(201);
    acme.invite("z@example.com", "viewer").await;
    let invitation = app.invitation_token("z@example.com").await;
    let secrets: Vec<String> = [module.client_secret, module.webhook_secret, endpoint.secret.unwrap()]
        .into_iter()
        .chain([acme.admin.bearer.clone().unwrap(), acme.scim.bearer.clone().unwrap(), invitation])
        .collect();
    for path in [
        "/api/v1/modules",
        "/api/v1/webhook-endpoints",
        "/api/v1/keys",
        "/api/v1/audit-events?limit=200",
        "/api/v1/events?limit=200",
        "/api/v1/jobs?limit=200",
        "/api/v1/tenants/acme/invitations",
    ] {
        let text = app.operator.get(path).await.text;
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{path} shows a secret");
        }
    }
    let dump = tests::dump(&app.store).await;
    for secret in &secrets {
        assert!(!dump.contains(secret.as_str()), "the store holds a secret in the clear");
    }
    app.stop().await;
}
