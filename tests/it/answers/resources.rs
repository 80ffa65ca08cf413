//! The platform's resources.

use reqwest::Method;
use serde_json::json;
use tests::{Receiver, Reply, TestApp, eventually};

use super::{answer_is, json_is};
use crate::sso::text;

#[actix_web::test]
async fn a_tenant_its_run_and_its_quotas() {
    let app = TestApp::start().await;
    let body = json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"externalId": "org_acme"}});
    let request =
        app.operator.request(Method::POST, "/api/v1/tenants").header("Prefer", "wait=20").json(&body);
    answer_is("tenant_created", &Reply::read(request).await);
    answer_is("tenants", &app.operator.get("/api/v1/tenants").await);
    answer_is("run_of_a_tenant", &app.operator.get("/api/v1/tenants/acme/provisioning").await);
    answer_is("quotas_of_a_tenant", &app.operator.get("/api/v1/tenants/acme/quotas").await);
    answer_is("organizations", &app.operator.get("/api/v1/tenants/acme/organizations").await);
    answer_is("plan", &app.operator.get("/api/v1/plans/pro").await);
    app.stop().await;
}

#[actix_web::test]
async fn people_of_a_tenant() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"userName": "ann", "displayName": "Ann", "emails": [{"value": "ann@acme.example", "primary": true}]});
    let ann = acme.scim.post("/scim/v2/Users", body).await.expect(201);
    let group = acme.group("admins", &[&text(&ann, "id")]).await;
    let mapping = json!({"groupId": group, "role": "admin"});
    answer_is("role_mapping_created", &acme.admin.post(&acme.path("role-mappings"), mapping).await);
    answer_is("user", &acme.admin.get(&format!("/api/v1/tenants/acme/users/{}", text(&ann, "id"))).await);
    answer_is("group", &acme.admin.get(&format!("/api/v1/tenants/acme/groups/{group}")).await);
    app.operator
        .post("/api/v1/tenants/acme/organizations", json!({"slug": "lab", "name": "Lab"}))
        .await
        .expect(201);
    let invite = json!({"email": "bob@acme.example", "role": "contributor", "organization": "lab"});
    answer_is("invitation_created", &acme.admin.post("/api/v1/tenants/acme/invitations", invite).await);
    answer_is("scim_tokens", &acme.admin.get(&acme.path("scim-tokens")).await);
    let guard = json!({"usersMax": 10, "windowSeconds": 60});
    answer_is("directory_guard", &acme.admin.put(&acme.path("directory-guard"), guard).await);
    app.stop().await;
}

#[actix_web::test]
async fn what_operators_register() {
    let app = TestApp::start().await;
    let op = &app.operator;
    answer_is("key_created", &op.post("/api/v1/keys", json!({"name": "ci", "role": "auditor"})).await);
    let module =
        json!({"name": "crm", "baseUrl": "https://crm.example", "redirectUris": ["https://crm.example/cb"]});
    answer_is("module_created", &op.post("/api/v1/modules", module).await);
    answer_is(
        "issuer_created",
        &op.post("/api/v1/issuers", json!({"issuer": "https://idp.example", "audience": "a"})).await,
    );
    answer_is(
        "instance_created",
        &op.post("/api/v1/instances", json!({"name": "eu-1", "mode": "shared"})).await,
    );
    answer_is(
        "operator_created",
        &op.post("/api/v1/operators", json!({"email": "ops@example.com", "name": "Olga"})).await,
    );
    let endpoint = json!({"url": "https://hooks.example/in", "eventTypes": ["user.*"]});
    answer_is("webhook_endpoint_created", &op.post("/api/v1/webhook-endpoints", endpoint).await);
    app.stop().await;
}

#[actix_web::test]
async fn a_flag_and_why_it_is_on() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    answer_is(
        "flag_created",
        &app.operator.post("/api/v1/flags", json!({"key": "beta", "type": "boolean"})).await,
    );
    let path = "/api/v1/tenants/acme/flags/beta";
    answer_is("flag_of_a_tenant", &app.operator.put(path, json!({"variant": "on"})).await);
    answer_is("flag_explained", &app.operator.get(&format!("{path}/explanation")).await);
    let ofrep = json!({"context": {"targetingKey": "ann", "tenant": "acme"}});
    answer_is("flag_over_ofrep", &app.operator.post("/ofrep/v1/evaluate/flags/beta", ofrep).await);
    app.stop().await;
}

#[actix_web::test]
async fn what_a_new_user_leaves_behind() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let acme = app.tenant("acme").await;
    let endpoint = json!({"url": receiver.url, "eventTypes": ["user.created"]});
    app.operator.post("/api/v1/webhook-endpoints", endpoint).await.expect(201);
    acme.scim.post("/scim/v2/Users", json!({"userName": "ann"})).await.expect(201);
    let made = app.operator.get("/api/v1/audit-events?limit=200&action=user.create").await;
    json_is("audit_event", &made.first::<serde_json::Value>());
    let sent = receiver.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    json_is("cloudevent_sent", &sent.body);
    let event = app.raw_events().await.into_iter().find(|event| event["type"] == "user.created");
    json_is("event", &event.expect("an event"));
    answer_is("event_type", &app.operator.get("/api/v1/event-types/user.created").await);
    let delivered = eventually("the delivery to be recorded", async || {
        let all = app.operator.get("/api/v1/deliveries?status=delivered").await.expect(200);
        all["items"].as_array()?.first().cloned()
    })
    .await;
    json_is("delivery", &delivered);
    let jobs = app.operator.get("/api/v1/jobs?kind=provisioning.advance").await.expect(200);
    json_is("job", &jobs["items"][0]);
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn ways_to_sign_in() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let oidc = json!({"type": "oidc", "name": "Corp", "issuer": "https://idp.example", "clientId": "c1", "clientSecret": "s"});
    answer_is("oidc_connection_created", &acme.admin.post(&acme.path("connections"), oidc).await);
    let idp = tests::saml::shared_pair("idp");
    let xml = tests::saml::idp_metadata("https://idp.example/e", "https://idp.example/sso", &[&idp]);
    let saml = json!({"type": "saml", "name": "Corp", "metadataXml": xml});
    let made = acme.admin.post(&acme.path("connections"), saml).await;
    answer_is("saml_connection_created", &made);
    let metadata = app.anyone().get(&format!("/sso/saml/{}/metadata", text(&made.json(), "id"))).await;
    answer_is("saml_metadata", &metadata);
    answer_is("sso_policy", &acme.admin.get(&acme.path("sso-policy")).await);
    answer_is(
        "domain_created",
        &acme.admin.post(&acme.path("domains"), json!({"domain": "acme.example"})).await,
    );
    app.stop().await;
}
