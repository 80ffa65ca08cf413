//! What an answer says of a change is so, also where something fails, or the time is over, behind its commit.

use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use platform::db::Listener;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Client, Flag, Issuer, Reply, TestApp};
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(3);
/// More than there is time for.
const OPERATIONS: usize = 400;

/// Takes all of a request's time at the moment at which its change was committed, once.
#[derive(Debug)]
struct Late {
    wanted: Mutex<Option<&'static str>>,
    /// Whose thread hears it too, some time later.
    dispatcher: ThreadId,
}

impl Late {
    /// The next request that tells this is late.
    fn at(&self, kind: &'static str) {
        let before = self.wanted.lock().expect("a lock").replace(kind);
        assert!(before.is_none(), "nobody told {before:?}");
    }
}

impl Listener for Late {
    fn hear(&self, kind: &str, _: Option<Uuid>) {
        let is_the_request = std::thread::current().id() != self.dispatcher;
        if is_the_request && self.wanted.lock().expect("a lock").take_if(|wanted| *wanted == kind).is_some() {
            std::thread::sleep(DEADLINE + Duration::from_millis(500));
        }
    }
}

async fn stage() -> (TestApp, Arc<Late>) {
    let app = TestApp::with(|config| config.server.request_timeout = DEADLINE).await;
    let late = Arc::new(Late { wanted: Mutex::default(), dispatcher: std::thread::current().id() });
    app.running.service.db.listen(late.clone());
    (app, late)
}

async fn keyed(client: &Client, path: &str, key: &str, body: &Value) -> Reply {
    Reply::read(client.request(Method::POST, path).header("Idempotency-Key", key).json(body)).await
}

#[actix_web::test]
async fn what_was_committed_is_answered_with_success_however_late_it_is() {
    let (app, late) = stage().await;
    app.tenant("acme").await;
    app.operator.post("/api/v1/flags", json!({"key": "beta", "type": "boolean"})).await.expect(201);
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    late.at("flag.override_changed");
    let set = Reply::read(
        app.operator.request(Method::PUT, "/api/v1/tenants/acme/flags/beta").json(&json!({"variant": "on"})),
    );
    assert_eq!(set.await.found::<Flag>().value, true);
    let token = issuer.token("ann", "org_acme");
    late.at("user.created");
    app.operator.exchange(&token).await.expect(200);
    late.at("tenant.created");
    let made = app.operator.request(Method::POST, "/api/v1/tenants").header("Prefer", "wait=20");
    let made = Reply::read(made.json(&json!({"slug": "beta", "name": "Beta"}))).await;
    assert!([201, 202].contains(&made.status.as_u16()), "{}", made.text);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn who_can_not_be_told_what_became_of_all_changes_is_told_so() {
    let (app, late) = stage().await;
    let acme = app.tenant("acme").await;
    late.at("user.created");
    let create = |at: usize| json!({"method": "POST", "path": "/Users", "data": {"userName": format!("u{at}")}, "bulkId": at.to_string()});
    let operations: Vec<Value> = (0..OPERATIONS).map(create).collect();
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
    let reply = acme.scim.post("/scim/v2/Bulk", body).await;
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert!(reply.text.contains("may or may not have been made"), "{}", reply.text);
    let made = acme.scim.get("/scim/v2/Users").await.total();
    assert!((1..OPERATIONS as i64).contains(&made), "for {made} there was time");
    app.stop().await;
}

#[actix_web::test]
async fn a_refusal_leaves_its_idempotency_key_free() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    // Both write something although they refuse: a record of the denial, and the look at the name server.
    let body = json!({"subjectToken": "nonsense"});
    for _ in 0..2 {
        let refused = keyed(&app.operator, "/api/internal/sso/exchange", "k1", &body).await;
        assert_eq!(refused.status, 401, "{}", refused.text);
    }
    assert_eq!(app.audit("sso.exchange").await.len(), 2);
    let domains = "/api/v1/tenants/acme/organizations/default/domains";
    let made = acme.admin.post(domains, json!({"domain": "corp.example"})).await.created_id();
    let verify = format!("{domains}/{made}/verify");
    for _ in 0..2 {
        keyed(&acme.admin, &verify, "k2", &json!({})).await.refused(409, "domain.unproven");
    }
    app.stop().await;
}
