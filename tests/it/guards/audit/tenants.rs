//! Tenants from their creation to their deletion, their organizations, limits and looks, and the runs over them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tests::{AuditEvent, TestApp, eventually, status};

use super::{Route, gone, id};

pub(super) async fn walk() -> BTreeSet<Route> {
    let app =
        TestApp::with(|config| config.section_mut::<provisioning::Settings>().drain_period = Duration::ZERO)
            .await;
    instances(&app).await;
    settings(&app).await;
    runs(&app).await;
    given_up(&app).await;
    let called = crate::guards::records::left_by(&app).await;
    // What is recorded beside it: by the runs of the tenant.
    for action in ["tenant.activate", "tenant.place", "tenant.move", "tenant.delete"] {
        assert!(!app.audit(action).await.is_empty(), "{action} left no record");
    }
    app.stop().await;
    called
}

async fn instances(app: &TestApp) {
    let op = &app.operator;
    for (name, region) in [("here", "eu-west"), ("there", "eu-north")] {
        let instance = json!({"name": name, "mode": "shared", "region": region});
        op.instance(instance).await;
    }
    let spare = op.pool("i").await;
    op.patch(&format!("/api/v1/instances/{spare}"), json!({"status": "offline"})).await.expect(200);
    gone(&op.delete(&format!("/api/v1/instances/{spare}")).await);
}

async fn settings(app: &TestApp) {
    let (op, base) = (&app.operator, "/api/v1/tenants/acme");
    let acme = app.tenant("acme").await;
    op.patch(base, json!({"name": "b"})).await.expect(200);
    op.put(&format!("{base}/quotas"), json!({"items": [{"resource": "users", "limit": 9}]}))
        .await
        .expect(200);
    op.put(&format!("{base}/branding"), json!({"senderName": "Acme"})).await.expect(200);
    gone(&op.delete(&format!("{base}/branding")).await);
    let organization = json!({"slug": "o", "name": "o"});
    let organization = id(&op.post(&format!("{base}/organizations"), organization).await.expect(201));
    let organization = format!("{base}/organizations/{organization}");
    op.patch(&organization, json!({"name": "p"})).await.expect(200);
    gone(&op.delete(&organization).await);
    op.post(&format!("{base}/suspend"), json!({})).await.expect(200);
    op.post(&format!("{base}/resume"), json!({})).await.expect(200);
    // A refusal by right is recorded for the tenant whose caller it was.
    acme.admin.post("/api/v1/flags", json!({})).await.refused(403, "auth.insufficient");
    let denied = op.get("/api/v1/audit-events?outcome=denied&action=flags.write").await;
    assert_eq!(denied.first::<AuditEvent>().tenant_id.as_ref(), Some(&acme.id));
}

/// Waits for the end of a tenant's latest run.
async fn done(app: &TestApp, slug: &str, kind: &str) {
    eventually(&format!("the {kind} to be done"), async || {
        let run = app.operator.run(slug).await;
        (run.kind == kind && run.status == "done").then_some(())
    })
    .await;
}

async fn runs(app: &TestApp) {
    let (op, base) = (&app.operator, "/api/v1/tenants/mover");
    let tenant = op.active_tenant(json!({"slug": "mover", "name": "M", "region": "eu-west"})).await.id;
    op.post(&format!("{base}/move"), json!({"region": "eu-north"})).await.expect(202);
    done(app, "mover", "move").await;
    op.post(&format!("{base}/repair"), json!({})).await.expect(202);
    done(app, "mover", "repair").await;
    op.delete(&format!("{base}?purge=true")).await.expect(202);
    status(op, &tenant, "deleted").await;
}

/// A tenant for which there is no instance: its run is given up and begun again.
async fn given_up(app: &TestApp) {
    let (op, base) = (&app.operator, "/api/v1/tenants/waiter");
    let body = json!({"slug": "waiter", "name": "W", "instance": {"mode": "dedicated"}});
    op.post("/api/v1/tenants", body).await.expect(202);
    eventually("the tenant to wait", async || {
        op.run("waiter").await.steps.iter().any(|step| step.waits_for.is_some()).then_some(())
    })
    .await;
    op.post(&format!("{base}/rollback"), json!({})).await.expect(202);
    status(op, "waiter", "failed").await;
    op.post(&format!("{base}/retry"), json!({})).await.expect(202);
}
