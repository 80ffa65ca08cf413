//! A refused exchange is in the trail of the tenant whose it was, with the organization that refused where one was found.

use tests::AuditEvent;

use super::*;
use crate::sso::module;

/// The newest refusal of an exchange in the tenant's own trail: its code and organization.
async fn newest(stage: &Stage, reader: &Client) -> (Value, Value) {
    let path = format!("/api/v1/audit-events?action=sso.exchange&outcome=denied&tenantId={}", stage.acme.id);
    let newest: AuditEvent = reader.get(&path).await.first();
    assert_eq!((newest.outcome.as_str(), newest.tenant_id.as_ref()), ("denied", Some(&stage.acme.id)));
    (newest.details["code"].clone(), newest.details["organizationId"].clone())
}

#[actix_web::test]
async fn a_tenants_admin_sees_who_was_refused_and_by_which_organization() {
    let stage = Stage::set().await;
    let (eng, directory) = stage.organization("eng").await;
    let default = json!(stage.default_organization().await);
    let admin = &stage.acme.admin;
    let ann = json!({"userName": "ann@x.test", "externalId": "ann"});
    let ann = directory.post(USERS, ann).await.created_id();
    assert_eq!(directory.delete(&format!("{USERS}/{ann}")).await.status, 204);
    stage.exchange(&stage.claims("ann", "ann@x.test")).await.refused(403, "user.deactivated");
    assert_eq!(newest(&stage, admin).await, (json!("user.deactivated"), json!(eng)));
    let bob = stage.push(json!({"userName": "bob@x.test", "externalId": "bob"})).await;
    stage.switch(&bob, false).await;
    stage.by_gateway("b-1", &[(EMAIL, "bob@x.test")]).await.refused(403, "user.deactivated");
    assert_eq!(newest(&stage, admin).await, (json!("user.deactivated"), default.clone()));
    stage.exchange(&stage.claims("c-1", "carol@x.test")).await.expect(200);
    stage.limit_seats(1).await;
    stage.exchange(&stage.claims("d-1", "dora@x.test")).await.refused(403, "quota.exceeded");
    assert_eq!(newest(&stage, admin).await, (json!("quota.exceeded"), default.clone()));
    stage.exchange(&stage.claims("c-2", "carol@x.test")).await.refused(409, "sso.subject_other");
    assert_eq!(newest(&stage, admin).await, (json!("sso.subject_other"), default));
    stage.app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    stage.exchange(&stage.claims("c-1", "carol@x.test")).await.refused(403, "tenant.suspended");
    assert_eq!(newest(&stage, &stage.app.operator).await, (json!("tenant.suspended"), Value::Null));
    stage.stop().await;
}

#[actix_web::test]
async fn so_is_what_a_connection_or_a_module_was_refused() {
    let stage = Stage::set().await;
    let default = json!(stage.default_organization().await);
    let admin = &stage.acme.admin;
    let corp = Issuer::start();
    connected(&stage.acme, &corp, "c1", json!({})).await;
    stage.push(json!({"userName": "ann@x.test"})).await;
    let ann = id_claims(&corp, "c1", "a-1", "ann@x.test");
    present(&stage.app, &corp, &ann, json!({})).await.refused(409, "sso.link_required");
    assert_eq!(newest(&stage, admin).await, (json!("sso.link_required"), default.clone()));
    let module = module(&stage.app, "app", json!({})).await;
    stage.exchange(&stage.claims("b-1", "bob@x.test")).await.expect(200);
    let token = stage.issuer.sign(&stage.claims("b-2", "bob@x.test"));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("client_id", &module.id),
        ("client_secret", &module.secret),
    ];
    assert_eq!(stage.app.anyone().form("/oauth2/token", &form).await.status, 409);
    assert_eq!(newest(&stage, admin).await, (json!("sso.subject_other"), default));
    stage.stop().await;
    corp.stop().await;
}
