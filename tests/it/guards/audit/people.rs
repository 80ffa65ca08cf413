//! Who comes by mail: invited, one or many, or as one of a verified domain.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{JoinRequest, Tenant, TestApp};

use super::{Route, gone, id};
use crate::sso::prove_domain;

const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";

pub(super) async fn walk() -> BTreeSet<Route> {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    invited(&app).await;
    joined(&app, &acme).await;
    let called = crate::guards::records::left_by(&app).await;
    app.stop().await;
    called
}

async fn invite(app: &TestApp, email: &str) -> Value {
    app.operator.post(INVITATIONS, json!({"email": email, "role": "viewer"})).await.expect(201)
}

async fn invited(app: &TestApp) {
    let op = &app.operator;
    let one = format!("{INVITATIONS}/{}", id(&invite(app, "z@example.com").await));
    op.post(&format!("{one}/resend"), json!({})).await.expect(200);
    gone(&op.delete(&one).await);
    for email in ["api@example.com", "page@example.com"] {
        invite(app, email).await;
    }
    app.accept_invitation("api@example.com").await;
    let token = app.invitation_token("page@example.com").await;
    let form = [("token", token.as_str()), ("displayName", "P")];
    assert_eq!(app.anyone().form("/invitations/accept", &form).await.status, 200);
    let many = json!({"invitations": [{"email": "many@example.com"}]});
    op.post(&format!("{INVITATIONS}/bulk"), many).await.expect(202);
}

async fn joined(app: &TestApp, acme: &Tenant) {
    let (admin, base) = (&acme.admin, "/api/v1/tenants/acme");
    prove_domain(app, acme, "sub.example").await;
    let rule = format!("{base}/organizations/default/join-rules/sub.example");
    admin.put(&rule, json!({"mode": "request"})).await.expect(200);
    for (email, decision) in [("kim@sub.example", "approve"), ("lee@sub.example", "decline")] {
        app.anyone().post("/api/v1/join", json!({"tenant": "acme", "email": email})).await.expect(200);
        app.accept_invitation(email).await;
        let requests: Vec<JoinRequest> = admin.get(&format!("{base}/join-requests")).await.items();
        let asked = requests.iter().find(|one| one.email == email).expect("the request");
        admin.post(&format!("{base}/join-requests/{}/{decision}", asked.id), json!({})).await.expect(200);
    }
    gone(&admin.delete(&rule).await);
}
