//! What an identity provider does by SCIM, and what admins do about it.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::{ScimRequest, Tenant, TestApp, eventually};

use super::{Route, gone, id, text, until};

const BASE: &str = "/api/v1/tenants/acme";
const ORGANIZATION: &str = "/api/v1/tenants/acme/organizations/default";

pub(super) async fn walk() -> BTreeSet<Route> {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    tokens(&app).await;
    let user = users(&app, &acme).await;
    groups(&app, &acme, &user).await;
    protection(&app, &acme).await;
    schemas(&app).await;
    replayed(&app, &acme).await;
    restored(&app, &acme, &user).await;
    let called = crate::guards::records::left_by(&app).await;
    assert!(!app.audit("directory_guard.block").await.is_empty(), "what was held left no record");
    let made = app.audit("user.create").await.pop().expect("a record");
    assert_eq!(
        (made.actor.kind.as_str(), made.tenant_id.as_ref(), &made.target.id),
        ("scim_token", Some(&acme.id), &user)
    );
    assert!(made.request_id.is_some() && made.ip_address.as_deref() == Some("127.0.0.1"));
    app.stop().await;
    called
}

async fn tokens(app: &TestApp) {
    let op = &app.operator;
    let made = op.post(&format!("{ORGANIZATION}/scim-tokens"), json!({"name": "t"})).await.expect(201);
    let token = format!("{ORGANIZATION}/scim-tokens/{}", id(&made));
    op.post(&format!("{token}/rotate"), json!({})).await.expect(201);
    gone(&op.delete(&token).await);
}

async fn create(acme: &Tenant, name: &str) -> String {
    id(&acme.scim.post("/scim/v2/Users", json!({"userName": name})).await.expect(201))
}

fn replaced(value: Value) -> Value {
    json!({"Operations": [{"op": "replace", "value": value}]})
}

async fn users(app: &TestApp, acme: &Tenant) -> String {
    let user = create(acme, "u").await;
    let path = format!("/scim/v2/Users/{user}");
    acme.scim.put(&path, json!({"userName": "v"})).await.expect(200);
    for active in [false, true] {
        acme.scim.patch(&path, replaced(json!({"active": active}))).await.expect(200);
    }
    app.operator.patch(&format!("{BASE}/users/{user}"), json!({"role": "contributor"})).await.expect(200);
    gone(&app.operator.delete(&format!("{BASE}/users/{user}/sessions")).await);
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bulk"}}],
    });
    acme.scim.post("/scim/v2/Bulk", bulk).await.expect(200);
    user
}

async fn groups(app: &TestApp, acme: &Tenant, user: &str) {
    let op = &app.operator;
    let group = id(&acme.scim.post("/scim/v2/Groups", json!({"displayName": "g"})).await.expect(201));
    let path = format!("/scim/v2/Groups/{group}");
    acme.scim.put(&path, json!({"displayName": "h", "members": [{"value": user}]})).await.expect(200);
    gone(&acme.scim.patch(&path, replaced(json!({"displayName": "i"}))).await);
    let mappings = format!("{ORGANIZATION}/role-mappings");
    let mapping = id(&op.post(&mappings, json!({"groupId": group, "role": "guest"})).await.expect(201));
    gone(&op.delete(&format!("{mappings}/{mapping}")).await);
    gone(&acme.scim.delete(&path).await);
}

async fn protection(app: &TestApp, acme: &Tenant) {
    let (op, guard) = (&app.operator, format!("{ORGANIZATION}/directory-guard"));
    op.put(&guard, json!({"usersMax": 1, "windowSeconds": 60})).await.expect(200);
    let gone_too = format!("/scim/v2/Users/{}", create(acme, "gone").await);
    assert_eq!(acme.scim.delete(&gone_too).await.status, 503, "one was deactivated before");
    op.post(&format!("{guard}/reject"), json!({})).await.expect(200);
    op.post(&format!("{guard}/confirm"), json!({})).await.expect(200);
    gone(&acme.scim.delete(&gone_too).await);
    gone(&op.delete(&guard).await);
}

async fn schemas(app: &TestApp) {
    let op = &app.operator;
    let schema = json!({"id": "urn:acme:badge", "name": "Badge", "resourceType": "User", "attributes": [{"name": "number"}]});
    let made = op.post(&format!("{BASE}/scim-schemas"), schema.clone()).await.expect(201);
    let declared = format!("{BASE}/scim-schemas/{}", text(&made, "schemaId"));
    op.put(&declared, schema).await.expect(200);
    gone(&op.delete(&declared).await);
}

/// A request of the log, answered once more; nothing of it is applied.
async fn replayed(app: &TestApp, acme: &Tenant) {
    let log = format!("{ORGANIZATION}/scim-requests");
    create(acme, "logged").await;
    let request = eventually("the log", async || {
        let list: Vec<ScimRequest> = app.operator.get(&format!("{log}?search=logged")).await.items();
        list.into_iter().next().map(|one| one.id)
    })
    .await;
    app.operator.post(&format!("{log}/{request}/replay"), json!({})).await.expect(200);
}

async fn restored(app: &TestApp, acme: &Tenant, user: &str) {
    let restores = format!("{ORGANIZATION}/directory-restores");
    app.clock.advance(TimeDelta::minutes(1));
    let moment = app.clock.now().to_rfc3339();
    app.clock.advance(TimeDelta::minutes(1));
    gone(&acme.scim.delete(&format!("/scim/v2/Users/{user}")).await);
    app.clock.advance(TimeDelta::minutes(1));
    app.operator.post(&restores, json!({"moment": moment})).await.expect(202);
    until(&app.operator, &restores, "done").await;
}
