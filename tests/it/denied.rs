//! Attempts that were refused, as the tenant's admin sees them: with the organization, the rule and the request, wherever they are known.

use serde_json::json;
use tests::{AuditEvent, Client, Issuer, ScimToken, Tenant, TestApp, eventually};

/// The latest denied attempt of an action that the tenant's own admin sees.
async fn denied(admin: &Client, action: &str) -> AuditEvent {
    eventually(&format!("{action} to be recorded"), async || {
        let path = format!("/api/v1/audit-events?outcome=denied&action={action}");
        admin.get(&path).await.items::<AuditEvent>().into_iter().next()
    })
    .await
}

fn says(record: &AuditEvent, tenant: &Tenant, code: &str) {
    assert_eq!(
        (record.outcome.as_str(), record.tenant_id.as_ref()),
        ("denied", Some(&tenant.id)),
        "{record:?}"
    );
    assert_eq!(record.details["code"], code, "{record:?}");
    assert!(record.details["organizationId"].is_string(), "{record:?}");
    assert!(record.request_id.is_some(), "{record:?}");
}

#[actix_web::test]
async fn a_directory_token_that_counts_no_more_is_seen_by_its_admin() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let tokens = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let made: ScimToken = app.operator.post(tokens, json!({"name": "gone"})).await.created();
    let gone = app.operator.with(made.token.unwrap());
    assert_eq!(app.operator.delete(&format!("{tokens}/{}", made.id)).await.status, 204);
    assert_eq!(gone.get("/scim/v2/Users").await.status, 401);
    says(&denied(&acme.admin, "authenticate").await, &acme, "auth.invalid");
    app.stop().await;
}

#[actix_web::test]
async fn who_pushes_to_a_suspended_tenant_is_seen_when_it_is_let_in_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    eventually("the token to be refused", async || {
        (acme.scim.get("/scim/v2/Users").await.status == 403).then_some(())
    })
    .await;
    app.operator.post("/api/v1/tenants/acme/resume", json!({})).await.expect(200);
    eventually("the admin to be let in", async || {
        (acme.admin.get("/api/v1/audit-events").await.status == 200).then_some(())
    })
    .await;
    says(&denied(&acme.admin, "authenticate").await, &acme, "tenant.suspended");
    app.stop().await;
}

#[actix_web::test]
async fn an_invitation_that_is_not_accepted_and_an_exchange_that_is_refused_say_by_whom() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let invite = json!({"email": "ann@acme.example", "role": "viewer"});
    let made = app.operator.post("/api/v1/tenants/acme/invitations", invite).await.created_id();
    let token = app.invitation_token("ann@acme.example").await;
    let path = format!("/api/v1/tenants/acme/invitations/{made}");
    assert_eq!(app.operator.delete(&path).await.status, 204);
    let accept = json!({"token": token});
    app.operator.anonymous().post("/api/v1/invitations/accept", accept).await.refused(410, "invitation.gone");
    says(&denied(&acme.admin, "invitation.accept").await, &acme, "invitation.gone");

    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let bob = json!({"userName": "bob", "externalId": "bob"});
    let user = acme.scim.post("/scim/v2/Users", bob).await.created_id();
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}], "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]});
    acme.scim.patch(&format!("/scim/v2/Users/{user}"), off).await.expect(200);
    app.operator.exchange(&issuer.token("bob", "org_acme")).await.refused(403, "user.deactivated");
    says(&denied(&acme.admin, "sso.exchange").await, &acme, "user.deactivated");
    // Another tenant's admin sees none of it.
    let other = app.tenant("other").await;
    assert_eq!(other.admin.get("/api/v1/audit-events?outcome=denied").await.count(), 0);
    issuer.stop().await;
    app.stop().await;
}
