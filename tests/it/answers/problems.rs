//! A refusal of each kind.

use reqwest::Method;
use serde_json::json;
use tests::{Reply, TestApp};

use super::answer_is;

#[actix_web::test]
async fn refusals_of_the_api() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let op = &app.operator;
    answer_is(
        "problem_400_validation",
        &op.post("/api/v1/tenants", json!({"slug": "Not a slug", "name": ""})).await,
    );
    answer_is(
        "problem_400_unknown_field",
        &op.post("/api/v1/keys", json!({"name": "k", "role": "auditor", "colour": 1})).await,
    );
    answer_is("problem_400_cursor", &op.get("/api/v1/tenants?cursor=made-up").await);
    answer_is("problem_401", &app.anyone().get("/api/v1/tenants").await);
    answer_is("problem_401_wrong", &op.with("tnt_key_wrong").get("/api/v1/tenants").await);
    answer_is("problem_403", &acme.admin.post("/api/v1/flags", json!({"key": "f", "type": "boolean"})).await);
    answer_is("problem_404", &op.get("/api/v1/tenants/nobody").await);
    answer_is("problem_404_route", &op.get("/api/v1/nothing").await);
    answer_is("problem_405", &op.delete("/api/v1/tenants").await);
    answer_is(
        "problem_409_conflict",
        &op.post("/api/v1/tenants", json!({"slug": "acme", "name": "Acme"})).await,
    );
    let request = op.request(Method::PATCH, "/api/v1/tenants/acme").header("If-Match", "\"99\"");
    answer_is("problem_412", &Reply::read(request.json(&json!({"name": "A"}))).await);
    let request = op.request(Method::POST, "/api/v1/keys").header("content-type", "text/plain").body("x");
    answer_is("problem_415", &Reply::read(request).await);
    op.put("/api/v1/tenants/acme/quotas", json!({"items": [{"resource": "users", "limit": 0}]}))
        .await
        .expect(200);
    let invite = json!({"email": "zoe@example.com", "role": "viewer"});
    answer_is("problem_403_quota", &acme.admin.post("/api/v1/tenants/acme/invitations", invite).await);
    app.stop().await;
}
