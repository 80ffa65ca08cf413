//! What the platform's staff and modules do beside tenants: keys, plans, flags, modules, receivers, mail, counters, and what comes in from
//! other services.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Delivery, Mail, Receiver, TestApp, Zitadel, eventually};

use super::{Route, gone, id};
use crate::inbox;

pub(super) async fn walk() -> BTreeSet<Route> {
    let zitadel = Zitadel::start();
    let app = TestApp::with(|config| {
        inbox::configure(config);
        zitadel.configure(config, &zitadel.url);
    })
    .await;
    app.tenant("acme").await;
    keys_plans_and_issuers(&app).await;
    flags_and_modules(&app).await;
    receivers(&app).await;
    counters(&app).await;
    mail(&app).await;
    incoming(&app).await;
    let called = crate::guards::records::left_by(&app).await;
    app.stop().await;
    zitadel.stop().await;
    called
}

async fn keys_plans_and_issuers(app: &TestApp) {
    let op = &app.operator;
    let key = id(&op.post("/api/v1/keys", json!({"name": "k", "role": "auditor"})).await.expect(201));
    gone(&op.delete(&format!("/api/v1/keys/{key}")).await);
    let plan = json!({"key": "p", "name": "P", "quotas": {"users": 1}, "rateMultiplier": 1});
    op.post("/api/v1/plans", plan.clone()).await.expect(201);
    op.put("/api/v1/plans/p", plan).await.expect(200);
    gone(&op.delete("/api/v1/plans/p").await);
    let issuer = |audience: &str| json!({"issuer": "http://127.0.0.1:9", "audience": audience});
    let made = id(&op.post("/api/v1/issuers", issuer("a")).await.expect(201));
    op.put(&format!("/api/v1/issuers/{made}"), issuer("b")).await.expect(200);
    gone(&op.delete(&format!("/api/v1/issuers/{made}")).await);
    let operator = json!({"email": "o@example.com", "name": "O"});
    let operator = id(&op.post("/api/v1/operators", operator).await.expect(201));
    op.post(&format!("/api/v1/operators/{operator}/enroll"), json!({})).await.expect(200);
    gone(&op.delete(&format!("/api/v1/operators/{operator}")).await);
}

async fn flags_and_modules(app: &TestApp) {
    let (op, override_) = (&app.operator, "/api/v1/tenants/acme/flags/f");
    op.post("/api/v1/flags", json!({"key": "f", "type": "boolean"})).await.expect(201);
    op.put("/api/v1/flags/f", json!({"type": "boolean", "defaultVariant": "on"})).await.expect(200);
    op.put(override_, json!({"variant": "on"})).await.expect(200);
    gone(&op.delete(override_).await);
    let module = op.module("m", "http://127.0.0.1:9").await.id;
    let module = format!("/api/v1/modules/{module}");
    op.patch(&module, json!({"name": "n"})).await.expect(200);
    op.post(&format!("{module}/flag-pushes/repair"), json!({})).await.expect(202);
    gone(&op.delete(&module).await);
    gone(&op.delete("/api/v1/flags/f").await);
}

/// An endpoint whose receiver fails, so that there is a job which waits.
async fn receivers(app: &TestApp) {
    let (op, receiver) = (&app.operator, Receiver::start());
    receiver.answer(500);
    let since = app.clock.now();
    let body = json!({"url": receiver.url, "eventTypes": ["tenant.*"]});
    let endpoint = id(&op.post("/api/v1/webhook-endpoints", body).await.expect(201));
    let endpoint = format!("/api/v1/webhook-endpoints/{endpoint}");
    op.patch(&endpoint, json!({"description": "d"})).await.expect(200);
    op.post(&format!("{endpoint}/rotate"), json!({})).await.expect(200);
    op.post(&format!("{endpoint}/replay"), json!({"since": since})).await.expect(202);
    op.patch("/api/v1/tenants/acme", json!({"name": "A"})).await.expect(200);
    let delivery = eventually("a delivery that failed", async || {
        let list: Vec<Delivery> = op.get("/api/v1/deliveries").await.items();
        list.into_iter().find(|one| one.attempts > 0).map(|one| one.id)
    })
    .await;
    let waiting = async || {
        for job in op.jobs("status=pending").await {
            let retry = format!("/api/v1/jobs/{}/retry", job.id);
            if op.post(&retry, Value::Null).await.status == 200 {
                return Some(());
            }
        }
        None
    };
    eventually("a job that waits", waiting).await;
    op.post(&format!("/api/v1/deliveries/{delivery}/retry"), json!({})).await.expect(200);
    gone(&op.delete(&endpoint).await);
    receiver.stop().await;
}

async fn counters(app: &TestApp) {
    let (op, resource) = (&app.operator, "/api/v1/quota-resources/simulations");
    let declared = json!({"key": "simulations", "name": "S", "limits": {"free": 3}});
    op.post("/api/v1/quota-resources", declared).await.expect(201);
    op.put(resource, json!({"name": "T"})).await.expect(200);
    let module = app.key("module", None).await;
    let reservations = "/api/internal/quotas/reservations";
    let held = json!({"tenantId": "acme", "resource": "simulations", "amount": 1});
    let held = format!("{reservations}/{}", id(&module.post(reservations, held).await.expect(201)));
    module.post(&format!("{held}/commit"), json!({})).await.expect(200);
    gone(&module.delete(&held).await);
    gone(&op.delete(resource).await);
}

async fn mail(app: &TestApp) {
    let (op, suppressions) = (&app.operator, "/api/v1/mail/suppressions");
    let invitation = json!({"email": "zoe@example.com", "role": "viewer"});
    op.post("/api/v1/tenants/acme/invitations", invitation).await.expect(201);
    let mail = eventually("the mail", async || {
        op.get("/api/v1/tenants/acme/mails").await.items::<Mail>().into_iter().next().map(|one| one.id)
    })
    .await;
    for named in [
        json!({"kind": "soft", "messageId": mail}),
        json!({"kind": "hard", "messageId": mail}),
        json!({"kind": "hard", "recipient": "zoe@example.com"}),
    ] {
        op.post("/api/v1/mail/bounces", named).await.expect(200);
    }
    assert_eq!(app.audit("mail.bounce").await.len(), 2, "each of a known mail");
    op.post(suppressions, json!({"address": "kim@example.com"})).await.expect(201);
    gone(&op.delete(&format!("{suppressions}/kim@example.com")).await);
}

async fn incoming(app: &TestApp) {
    let event = inbox::event("evt_1", 1, "created", "active", "pro_monthly");
    inbox::stripe(app, &event).await.expect(200);
    let body = inbox::told(1, "user.deactivated", "nobody", "nowhere");
    let signature = inbox::signed("a-signing-key", app.clock.now().timestamp(), &body);
    let path = "/api/webhooks/zitadel";
    inbox::send(&app.operator, path, "zitadel-signature", &signature, &body).await.expect(200);
}
