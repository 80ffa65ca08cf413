//! Every mutating operation that succeeds leaves a record; every refusal by right leaves one too.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::TestApp;

type Route = (&'static str, &'static str);

/// Routes that promise a record and that the walks don't call: their own stories do. The list only shrinks.
const ELSEWHERE: [&str; 54] = [
    "POST /api/internal/quotas/reservations",
    "DELETE /api/internal/quotas/reservations/{reservation_id}",
    "POST /api/internal/quotas/reservations/{reservation_id}/commit",
    "POST /api/internal/sso/exchange",
    "POST /api/v1/deliveries/{delivery_id}/retry",
    "POST /api/v1/invitations/accept",
    "POST /api/v1/jobs/{job_id}/retry",
    "POST /api/v1/mail/bounces",
    "POST /api/v1/mail/suppressions",
    "DELETE /api/v1/mail/suppressions/{address}",
    "POST /api/v1/modules/{module_id}/flag-pushes/repair",
    "POST /api/v1/quota-resources",
    "PUT /api/v1/quota-resources/{key}",
    "DELETE /api/v1/quota-resources/{key}",
    "DELETE /api/v1/tenants/{tenant}",
    "PUT /api/v1/tenants/{tenant}/branding",
    "DELETE /api/v1/tenants/{tenant}/branding",
    "POST /api/v1/tenants/{tenant}/invitations/bulk",
    "POST /api/v1/tenants/{tenant}/join-requests/{request_id}/approve",
    "POST /api/v1/tenants/{tenant}/join-requests/{request_id}/decline",
    "POST /api/v1/tenants/{tenant}/move",
    "POST /api/v1/tenants/{tenant}/organizations/{organization}/directory-restores",
    "PUT /api/v1/tenants/{tenant}/organizations/{organization}/join-rules/{name}",
    "DELETE /api/v1/tenants/{tenant}/organizations/{organization}/join-rules/{name}",
    "POST /api/v1/tenants/{tenant}/organizations/{organization}/scim-requests/{request_id}/replay",
    "PATCH /api/v1/tenants/{tenant}/organizations/{organization}/sso-policy",
    "POST /api/v1/tenants/{tenant}/repair",
    "POST /api/v1/tenants/{tenant}/retry",
    "POST /api/v1/tenants/{tenant}/rollback",
    "DELETE /api/v1/tenants/{tenant}/sessions/{session_id}",
    "PATCH /api/v1/webhook-endpoints/{endpoint_id}",
    "POST /api/v1/webhook-endpoints/{endpoint_id}/replay",
    "POST /api/v1/webhook-endpoints/{endpoint_id}/rotate",
    "POST /api/webhooks/stripe",
    "POST /api/webhooks/zitadel",
    "POST /invitations/accept",
    "POST /login",
    "POST /oauth2/authorize",
    "POST /oauth2/logout",
    "POST /oauth2/revoke",
    "POST /oauth2/token",
    "POST /operator/enroll/finish",
    "POST /operator/login",
    "POST /operator/login/finish",
    "POST /operator/logout",
    "POST /operator/password",
    "POST /operator/recover",
    "POST /realms/{realm}/oauth2/authorize",
    "POST /scim/v2/Bulk",
    "PATCH /scim/v2/Groups/{id}",
    "POST /sso/oidc/{connection}/backchannel-logout",
    "POST /sso/proof",
    "POST /sso/saml/{connection}/acs",
    "POST /sso/saml/{connection}/slo",
];

/// Everything that callers of the API do.
async fn walk() -> BTreeSet<Route> {
    let app = TestApp::start().await;
    tests::pool(&app.operator, "shared").await;
    let acme = app.tenant("acme").await;
    let op = &app.operator;
    let id = |value: Value| value["id"].as_str().expect("an id").to_owned();
    let base = "/api/v1/tenants/acme";
    let key = id(op.post("/api/v1/keys", json!({"name": "k", "role": "auditor"})).await.expect(201));
    assert_eq!(op.delete(&format!("/api/v1/keys/{key}")).await.status, 204);
    op.patch(base, json!({"name": "b"})).await.expect(200);
    op.put(&format!("{base}/quotas"), json!({"items": [{"resource": "users", "limit": 9}]}))
        .await
        .expect(200);
    let organization =
        id(op.post(&format!("{base}/organizations"), json!({"slug": "o", "name": "o"})).await.expect(201));
    op.patch(&format!("{base}/organizations/{organization}"), json!({"name": "p"})).await.expect(200);
    assert_eq!(op.delete(&format!("{base}/organizations/{organization}")).await.status, 204);
    let token = id(op
        .post(&format!("{base}/organizations/default/scim-tokens"), json!({"name": "t"}))
        .await
        .expect(201));
    op.post(&format!("{base}/organizations/default/scim-tokens/{token}/rotate"), json!({})).await.expect(201);
    assert_eq!(op.delete(&format!("{base}/organizations/default/scim-tokens/{token}")).await.status, 204);
    let user = id(acme.scim.post("/scim/v2/Users", json!({"userName": "u"})).await.expect(201));
    acme.scim.put(&format!("/scim/v2/Users/{user}"), json!({"userName": "v"})).await.expect(200);
    let switch = |on: bool| json!({"Operations": [{"op": "replace", "value": {"active": on}}]});
    acme.scim.patch(&format!("/scim/v2/Users/{user}"), switch(false)).await.expect(200);
    acme.scim.patch(&format!("/scim/v2/Users/{user}"), switch(true)).await.expect(200);
    op.patch(&format!("{base}/users/{user}"), json!({"role": "contributor"})).await.expect(200);
    let group = id(acme.scim.post("/scim/v2/Groups", json!({"displayName": "g"})).await.expect(201));
    acme.scim
        .put(&format!("/scim/v2/Groups/{group}"), json!({"displayName": "h", "members": [{"value": user}]}))
        .await
        .expect(200);
    let organization = format!("{base}/organizations/default");
    let mapped = json!({"groupId": group, "role": "guest"});
    let mapping = id(op.post(&format!("{organization}/role-mappings"), mapped).await.expect(201));
    assert_eq!(op.delete(&format!("{organization}/role-mappings/{mapping}")).await.status, 204);
    let guard = format!("{organization}/directory-guard");
    op.put(&guard, json!({"usersMax": 1, "windowSeconds": 60})).await.expect(200);
    let gone = id(acme.scim.post("/scim/v2/Users", json!({"userName": "gone"})).await.expect(201));
    assert_eq!(
        acme.scim.delete(&format!("/scim/v2/Users/{gone}")).await.status,
        503,
        "one was removed before"
    );
    op.post(&format!("{guard}/reject"), json!({})).await.expect(200);
    op.post(&format!("{guard}/confirm"), json!({})).await.expect(200);
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Users/{gone}")).await.status, 204);
    assert_eq!(op.delete(&guard).await.status, 204);
    let schema = json!({"id": "urn:acme:badge", "name": "Badge", "resourceType": "User", "attributes": [{"name": "number"}]});
    let made = op.post(&format!("{base}/scim-schemas"), schema.clone()).await.expect(201);
    let declared = format!("{base}/scim-schemas/{}", made["schemaId"].as_str().expect("an id"));
    op.put(&declared, schema).await.expect(200);
    assert_eq!(op.delete(&declared).await.status, 204);
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Groups/{group}")).await.status, 204);
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Users/{user}")).await.status, 204);
    // One that its provider doesn't keep by SCIM: there people are invited by hand.
    op.post(&format!("{base}/organizations"), json!({"slug": "byhand", "name": "h"})).await.expect(201);
    let body = json!({"email": "z@example.com", "role": "viewer", "organization": "byhand"});
    let invitation = id(op.post(&format!("{base}/invitations"), body).await.expect(201));
    op.post(&format!("{base}/invitations/{invitation}/resend"), json!({})).await.expect(200);
    assert_eq!(op.delete(&format!("{base}/invitations/{invitation}")).await.status, 204);
    op.post("/api/v1/flags", json!({"key": "f", "type": "boolean"})).await.expect(201);
    op.put("/api/v1/flags/f", json!({"type": "boolean", "defaultVariant": "on"})).await.expect(200);
    op.put(&format!("{base}/flags/f"), json!({"variant": "on"})).await.expect(200);
    assert_eq!(op.delete(&format!("{base}/flags/f")).await.status, 204);
    assert_eq!(op.delete("/api/v1/flags/f").await.status, 204);
    let module = id(op
        .post("/api/v1/modules", json!({"name": "m", "baseUrl": "http://127.0.0.1:9"}))
        .await
        .expect(201));
    op.patch(&format!("/api/v1/modules/{module}"), json!({"name": "n"})).await.expect(200);
    assert_eq!(op.delete(&format!("/api/v1/modules/{module}")).await.status, 204);
    let endpoint =
        id(op.post("/api/v1/webhook-endpoints", json!({"url": "http://127.0.0.1:9"})).await.expect(201));
    assert_eq!(op.delete(&format!("/api/v1/webhook-endpoints/{endpoint}")).await.status, 204);
    let issuer = id(op
        .post("/api/v1/issuers", json!({"issuer": "http://127.0.0.1:9", "audience": "a"}))
        .await
        .expect(201));
    op.put(&format!("/api/v1/issuers/{issuer}"), json!({"issuer": "http://127.0.0.1:9", "audience": "b"}))
        .await
        .expect(200);
    assert_eq!(op.delete(&format!("/api/v1/issuers/{issuer}")).await.status, 204);
    let plan = json!({"key": "p", "name": "P", "quotas": {"users": 1}, "rateMultiplier": 1});
    op.post("/api/v1/plans", plan.clone()).await.expect(201);
    op.put("/api/v1/plans/p", plan).await.expect(200);
    assert_eq!(op.delete("/api/v1/plans/p").await.status, 204);
    let instance = id(op.post("/api/v1/instances", json!({"name": "i", "mode": "shared"})).await.expect(201));
    op.patch(&format!("/api/v1/instances/{instance}"), json!({"status": "offline"})).await.expect(200);
    assert_eq!(op.delete(&format!("/api/v1/instances/{instance}")).await.status, 204);
    op.post(&format!("{base}/suspend"), json!({})).await.expect(200);
    op.post(&format!("{base}/resume"), json!({})).await.expect(200);
    let called = super::records::left_by(&app).await;
    // What is recorded beside it: by the runs of the tenant, and of what the guard held.
    for action in ["tenant.activate", "tenant.place", "directory_guard.hold"] {
        assert!(!app.audit(action).await.is_empty(), "{action} left no record");
    }
    let made = app.audit("user.create").await.pop().expect("a record");
    assert_eq!(
        (made["actor"]["kind"].as_str(), made["tenantId"].as_str(), made["target"]["id"].as_str()),
        (Some("scim_token"), Some(acme.id.as_str()), Some(user.as_str()))
    );
    assert!(made["requestId"].is_string() && made["ipAddress"] == "127.0.0.1");
    acme.admin.post("/api/v1/flags", json!({})).await.refused(403, "auth.insufficient");
    let denied = app.operator.get("/api/v1/audit-events?outcome=denied&action=flags.write").await.expect(200);
    assert_eq!(denied["items"][0]["tenantId"], acme.id.as_str());
    app.stop().await;
    called
}

/// Everything about sign-in.
async fn walk_of_sign_in() -> BTreeSet<Route> {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let op = &app.operator;
    let id = |value: Value| value["id"].as_str().expect("an id").to_owned();
    let base = "/api/v1/tenants/acme/organizations/default";
    let oidc = json!({"type": "oidc", "name": "c", "issuer": "http://127.0.0.1:9", "clientId": "c"});
    let connection = id(op.post(&format!("{base}/connections"), oidc).await.expect(201));
    op.patch(&format!("{base}/connections/{connection}"), json!({"name": "d"})).await.expect(200);
    let saml = json!({"type": "saml", "name": "s", "metadataUrl": "http://127.0.0.1:9/"});
    let saml = id(op.post(&format!("{base}/connections"), saml).await.expect(201));
    op.post(&format!("{base}/connections/{saml}/rotate-key"), json!({})).await.expect(200);
    assert_eq!(op.delete(&format!("{base}/connections/{saml}")).await.status, 204);
    op.put(&format!("{base}/sso-policy"), json!({"connectionId": connection})).await.expect(200);
    op.delete(&format!("{base}/connections/{connection}")).await.refused(409, "conflict");
    let domain = op.post(&format!("{base}/domains"), json!({"domain": "acme.example"})).await.expect(201);
    let text = |name: &str| domain[name].as_str().expect("text").to_owned();
    app.dns.set(&text("recordName"), &text("recordValue"));
    op.post(&format!("{base}/domains/{}/verify", text("id")), json!({})).await.expect(200);
    assert_eq!(op.delete(&format!("{base}/domains/{}", text("id"))).await.status, 204);
    let user = id(acme.scim.post("/scim/v2/Users", json!({"userName": "u"})).await.expect(201));
    assert_eq!(op.delete(&format!("/api/v1/tenants/acme/users/{user}/sessions")).await.status, 204);
    assert_eq!(op.delete(&format!("{base}/sessions")).await.status, 204);
    let operator = json!({"email": "o@example.com", "name": "O"});
    let operator = id(op.post("/api/v1/operators", operator).await.expect(201));
    op.post(&format!("/api/v1/operators/{operator}/enroll"), json!({})).await.expect(200);
    assert_eq!(op.delete(&format!("/api/v1/operators/{operator}")).await.status, 204);
    let called = super::records::left_by(&app).await;
    app.stop().await;
    called
}

#[actix_web::test]
async fn every_write_leaves_its_record() {
    let mut called = walk().await;
    called.extend(walk_of_sign_in().await);
    let elsewhere = super::records::not_among(&called);
    assert_eq!(elsewhere, ELSEWHERE, "a new route belongs into the walk");
}
