//! Every mutating operation that succeeds leaves a record; every refusal by right leaves one too.

use serde_json::{Value, json};
use tests::TestApp;

#[actix_web::test]
async fn every_write_leaves_its_record() {
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
    for action in [
        "key.create",
        "key.revoke",
        "tenant.create",
        "tenant.activate",
        "tenant.update",
        "tenant.suspend",
        "tenant.resume",
        "tenant.place",
        "quota.set",
        "organization.create",
        "organization.update",
        "organization.delete",
        "scim_token.create",
        "scim_token.rotate",
        "scim_token.revoke",
        "scim_schema.create",
        "scim_schema.update",
        "scim_schema.delete",
        "role_mapping.create",
        "role_mapping.delete",
        "directory_guard.put",
        "directory_guard.hold",
        "directory_guard.reject",
        "directory_guard.confirm",
        "directory_guard.delete",
        "user.create",
        "user.update",
        "user.deactivate",
        "user.reactivate",
        "user.role",
        "user.delete",
        "group.create",
        "group.update",
        "group.members",
        "group.delete",
        "invitation.create",
        "invitation.resend",
        "invitation.revoke",
        "flag.create",
        "flag.update",
        "flag.override",
        "flag.override_clear",
        "flag.delete",
        "module.create",
        "module.update",
        "module.delete",
        "webhook_endpoint.create",
        "webhook_endpoint.delete",
        "issuer.create",
        "issuer.update",
        "issuer.delete",
        "plan.create",
        "plan.update",
        "plan.delete",
        "instance.create",
        "instance.update",
        "instance.delete",
    ] {
        let events = app.audit(action).await;
        assert!(!events.is_empty(), "{action} left no record");
        assert!(
            events.iter().all(|event| event["outcome"] == "success" && event["actor"]["kind"].is_string()),
            "{action}"
        );
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
}

#[actix_web::test]
async fn every_write_of_sign_in_leaves_its_record() {
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
    for action in [
        "connection.create",
        "connection.update",
        "connection.rotate_key",
        "connection.delete",
        "sso_policy.update",
        "domain.create",
        "domain.verify",
        "domain.delete",
        "session.end_all",
        "session.end",
        "operator.create",
        "operator.enroll",
        "operator.disable",
    ] {
        assert!(!app.audit(action).await.is_empty(), "{action} left no record");
    }
    app.stop().await;
}
