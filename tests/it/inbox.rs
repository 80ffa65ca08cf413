//! What Stripe and Zitadel tell, signed, out of order, twice, and lost.

use aws_lc_rs::hmac;
use platform::config::Config;
use secrecy::SecretString;
use serde_json::{Value, json};
use tests::{Client, Receipt, Reply, TenantView, TestApp, Zitadel, eventually, status};

const SECRET: &str = "whsec_for-tests";

pub(crate) fn configure(config: &mut Config) {
    let settings = config.section_mut::<inbox::Settings>();
    settings.stripe_secret = SecretString::from(SECRET);
    settings.prices = vec!["pro_monthly=pro".to_owned(), "price_ent=enterprise".to_owned()];
}

pub(crate) fn signed(secret: &str, time: i64, body: &str) -> String {
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        format!("{time}.{body}").as_bytes(),
    );
    format!("t={time},v1={}", platform::crypto::hex(tag.as_ref()))
}

pub(crate) async fn send(client: &Client, path: &str, header: &str, signature: &str, body: &str) -> Reply {
    let request = client.anonymous().request(reqwest::Method::POST, path);
    Reply::read(
        request.header(header, signature).header("content-type", "application/json").body(body.to_owned()),
    )
    .await
}

pub(crate) async fn stripe(app: &TestApp, event: &Value) -> Reply {
    let body = event.to_string();
    let signature = signed(SECRET, app.clock.now().timestamp(), &body);
    send(&app.operator, "/api/webhooks/stripe", "stripe-signature", &signature, &body).await
}

/// An event about acme's subscription, made at this second.
pub(crate) fn event(id: &str, second: i64, kind: &str, state: &str, price: &str) -> Value {
    json!({
        "id": id, "type": format!("customer.subscription.{kind}"), "created": 1_795_000_000 + second,
        "data": {"object": {
            "id": "sub_1", "customer": "cus_1", "status": state, "metadata": {"tenant_id": "acme"},
            "items": {"data": [{"price": {"id": "price_x", "lookup_key": price}}]},
        }},
    })
}

async fn tenant(app: &TestApp) -> (String, String, String) {
    let found = app.operator.tenant("acme").await;
    (found.status, found.plan, found.billing)
}

pub(crate) async fn becomes(app: &TestApp, expected: (&str, &str, &str)) {
    eventually(&format!("acme to be {expected:?}"), async || {
        let (status, plan, billing) = tenant(app).await;
        ((status.as_str(), plan.as_str(), billing.as_str()) == expected).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn a_subscription_makes_plan_grace_and_suspension() {
    let app = TestApp::with(configure).await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    stripe(&app, &event("evt_1", 1, "created", "active", "pro_monthly")).await.expect(200);
    becomes(&app, ("active", "pro", "full")).await;
    assert_eq!(app.operator.quota("acme", "users").await.limit, Some(250));
    let ann = acme.user("ann").await;
    // Overdue: who is there stays, nobody new comes.
    stripe(&app, &event("evt_2", 2, "updated", "past_due", "pro_monthly")).await.expect(200);
    becomes(&app, ("active", "pro", "grace")).await;
    let refused = acme.scim.post("/scim/v2/Users", json!({"userName": "bob"})).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let invite = json!({"email": "z@example.com", "role": "viewer"});
    app.operator.post("/api/v1/tenants/acme/invitations", invite).await.refused(403, "billing.seat_blocked");
    acme.scim.get(&format!("/scim/v2/Users/{ann}")).await.expect(200);
    stripe(&app, &event("evt_3", 3, "updated", "unpaid", "pro_monthly")).await.expect(200);
    becomes(&app, ("suspended", "pro", "suspended")).await;
    stripe(&app, &event("evt_4", 4, "updated", "active", "price_ent")).await.expect(200);
    becomes(&app, ("active", "enterprise", "full")).await;
    // A price that nobody knows keeps the plan and warns.
    stripe(&app, &event("evt_5", 5, "updated", "active", "mystery")).await.expect(200);
    app.operator.inbox_is_through().await;
    assert_eq!(app.audit("billing.price_unknown").await.len(), 1);
    assert_eq!(tenant(&app).await.1, "enterprise");
    // An operator's suspension is not Stripe's to lift.
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    stripe(&app, &event("evt_6", 6, "updated", "active", "pro_monthly")).await.expect(200);
    becomes(&app, ("suspended", "pro", "full")).await;
    app.operator.post("/api/v1/tenants/acme/resume", json!({})).await.expect(200);
    stripe(&app, &event("evt_7", 7, "deleted", "canceled", "pro_monthly")).await.expect(200);
    becomes(&app, ("active", "free", "full")).await;
    app.stop().await;
}

#[actix_web::test]
async fn events_in_any_order_and_twice_end_the_same() {
    let app = TestApp::with(configure).await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let story = [
        event("evt_1", 1, "created", "incomplete", "pro_monthly"),
        event("evt_2", 1, "updated", "active", "pro_monthly"),
        event("evt_3", 5, "updated", "past_due", "pro_monthly"),
        event("evt_4", 9, "updated", "active", "price_ent"),
    ];
    for order in [[3, 2, 1, 0], [1, 3, 0, 2], [2, 3, 1, 0]] {
        for at in order {
            let receipt: Receipt = stripe(&app, &story[at]).await.found();
            assert!(receipt.received);
        }
        app.operator.inbox_is_through().await;
        assert_eq!(tenant(&app).await, ("active".to_owned(), "enterprise".to_owned(), "full".to_owned()));
    }
    assert_eq!(app.audit("inbox.receive").await.len(), 4, "each is taken once");
    assert!(stripe(&app, &story[0]).await.found::<Receipt>().duplicate);
    app.stop().await;
}

#[actix_web::test]
async fn the_customer_is_learnt_from_the_checkout_however_late_it_comes() {
    let app = TestApp::with(configure).await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let mut early = event("evt_1", 2, "updated", "active", "pro_monthly");
    early["data"]["object"]["metadata"] = json!({});
    stripe(&app, &early).await.expect(200);
    let checkout = json!({"id": "evt_0", "type": "checkout.session.completed", "created": 1_795_000_001, "data": {"object": {
        "id": "cs_1", "client_reference_id": "acme", "customer": "cus_1", "subscription": "sub_1",
    }}});
    stripe(&app, &checkout).await.expect(200);
    becomes(&app, ("active", "pro", "full")).await;
    // An invoice names the subscription by the customer that is known now.
    let invoice = json!({"id": "evt_9", "type": "invoice.payment_failed", "created": 1_795_000_003, "data": {"object": {
        "customer": "cus_1", "parent": {"subscription_details": {"subscription": "sub_1"}},
    }}});
    stripe(&app, &invoice).await.expect(200);
    becomes(&app, ("active", "pro", "grace")).await;
    app.stop().await;
}

#[actix_web::test]
async fn what_is_not_signed_fresh_and_by_the_secret_changes_nothing() {
    let app = TestApp::with(configure).await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    let body = event("evt_1", 1, "created", "active", "pro_monthly").to_string();
    let now = app.clock.now().timestamp();
    let post = async |signature: &str| {
        send(&app.operator, "/api/webhooks/stripe", "stripe-signature", signature, &body).await
    };
    post(&signed("whsec_other", now, &body)).await.refused(401, "inbox.signature_wrong");
    post("nonsense").await.refused(401, "inbox.signature_wrong");
    post(&signed(SECRET, now - 400, &body)).await.refused(400, "inbox.timestamp_refused");
    post(&signed(SECRET, now + 400, &body)).await.refused(400, "inbox.timestamp_refused");
    // The raw bytes count: the same JSON in other words is another body.
    let spaced = body.replacen("{", "{ ", 1);
    send(&app.operator, "/api/webhooks/stripe", "stripe-signature", &signed(SECRET, now, &body), &spaced)
        .await
        .refused(401, "inbox.signature_wrong");
    send(&app.operator, "/api/webhooks/zitadel", "zitadel-signature", "t=1,v1=0", "{}")
        .await
        .refused(503, "inbox.unconfigured");
    let nonsense = json!({"id": "evt_1"}).to_string();
    send(
        &app.operator,
        "/api/webhooks/stripe",
        "stripe-signature",
        &signed(SECRET, now, &nonsense),
        &nonsense,
    )
    .await
    .refused(400, "validation.failed");
    assert_eq!(tenant(&app).await.1, "free");
    assert!(app.audit("inbox.receive").await.iter().all(|record| record.outcome == "denied"));
    app.stop().await;
}

#[actix_web::test]
async fn where_stripe_may_be_asked_what_it_says_now_counts() {
    let api = tests::Receiver::start();
    let now = event("x", 1, "x", "past_due", "pro_monthly")["data"]["object"].clone();
    api.say(now.to_string());
    api.answer(200);
    let app = TestApp::with(|config| {
        configure(config);
        let settings = config.section_mut::<inbox::Settings>();
        settings.stripe_api_key = SecretString::from("rk_test");
        settings.stripe_url = api.url.clone();
    })
    .await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme"})).await;
    stripe(&app, &event("evt_1", 1, "created", "active", "price_ent")).await.expect(200);
    becomes(&app, ("active", "pro", "grace")).await;
    app.stop().await;
    api.stop().await;
}

pub(crate) fn told(sequence: u64, kind: &str, aggregate: &str, owner: &str) -> String {
    json!({
        "aggregateID": aggregate, "aggregateType": "user", "resourceOwner": owner, "instanceID": "1", "version": "v1",
        "sequence": sequence, "event_type": kind, "created_at": "2026-11-21T12:00:00Z", "userID": "x", "event_payload": "e30=",
    })
    .to_string()
}

#[actix_web::test]
async fn zitadels_word_takes_and_gives_access_and_what_was_missed_is_found() {
    let zitadel = Zitadel::start();
    let issuer = tests::Issuer::start();
    let app = TestApp::with(|config| {
        zitadel.configure(config, &zitadel.url);
        config.section_mut::<backends::Settings>().zitadel.reconcile = std::time::Duration::from_secs(1);
    })
    .await;
    let body = json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"backend": "zitadel"}});
    let id = app.operator.active_tenant(body).await.id;
    // Ann and Bob came in with tokens of Zitadel's: here of an issuer that signs for it.
    issuer.stand_in(&app.operator).await;
    for name in ["ann", "bob", "carl"] {
        zitadel.user(&id, name, "USER_STATE_ACTIVE");
        let mut claims = issuer.claims(name, &id);
        claims["urn:zitadel:iam:user:resourceowner:id"] = id.clone().into();
        app.operator.exchange(&issuer.sign(&claims)).await.expect(200);
    }
    let active = async |name: &str| {
        let users = app.operator.users("acme").await;
        users.iter().find(|user| user.user_name.starts_with(name)).unwrap().active
    };
    let tell = async |body: String| {
        let signature = signed("a-signing-key", app.clock.now().timestamp(), &body);
        send(&app.operator, "/api/webhooks/zitadel", "zitadel-signature", &signature, &body).await
    };
    zitadel.user(&id, "bob", "USER_STATE_INACTIVE");
    tell(told(1, "user.deactivated", "bob", &id)).await.expect(200);
    eventually("bob to be out", async || (!active("bob").await).then_some(())).await;
    assert!(tell(told(1, "user.deactivated", "bob", &id)).await.found::<Receipt>().duplicate);
    zitadel.user(&id, "bob", "USER_STATE_ACTIVE");
    tell(told(2, "user.reactivated", "bob", &id)).await.expect(200);
    eventually("bob to be in", async || active("bob").await.then_some(())).await;
    // An event that never came.
    zitadel.user(&id, "carl", "USER_STATE_LOCKED");
    eventually("carl to be found locked", async || (!active("carl").await).then_some(())).await;
    assert!(active("bob").await);
    zitadel.set_active(&id, false);
    tell(told(3, "org.deactivated", &id, &id)).await.expect(200);
    let suspended = status(&app.operator, "acme", "suspended").await;
    assert_eq!(suspended.suspended_by.as_deref(), Some("backend"));
    zitadel.set_active(&id, true);
    status(&app.operator, "acme", "active").await;
    // What an operator wants nobody else takes back.
    zitadel.set_active(&id, false);
    tell(told(4, "org.deactivated", &id, &id)).await.expect(200);
    status(&app.operator, "acme", "suspended").await;
    let held: TenantView = app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.found();
    assert_eq!(held.suspended_by.as_deref(), Some("operator"));
    zitadel.set_active(&id, true);
    tell(told(5, "org.reactivated", &id, &id)).await.expect(200);
    app.operator.inbox_is_through().await;
    zitadel.is_compared_again(&id).await;
    assert_eq!(app.operator.tenant("acme").await.status, "suspended");
    app.stop().await;
    issuer.stop().await;
    zitadel.stop().await;
}
