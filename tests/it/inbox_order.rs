//! What Zitadel tells of people and organizations, out of order, twice, and lost: its last word counts, and only of what it decided itself.

use std::time::Duration;

use aws_lc_rs::hmac;
use chrono::TimeDelta;
use platform::config::Config;
use serde_json::json;
use tests::{Client, Issuer, Receipt, Reply, TestApp, User, Zitadel, eventually, status};

const ACTIVE: &str = "USER_STATE_ACTIVE";
const INACTIVE: &str = "USER_STATE_INACTIVE";
const USERS: &str = "/api/v1/tenants/acme/users";

/// A tenant that is an org of Zitadel's, and its people, who came in by tokens of Zitadel's.
struct World {
    app: TestApp,
    zitadel: Zitadel,
    issuer: Issuer,
    /// The tenant, and its org.
    id: String,
}

impl World {
    /// Zitadel tells, and isn't asked.
    async fn told() -> Self {
        Self::with(|_| ()).await
    }

    /// It is also asked every second.
    async fn compared() -> Self {
        Self::with(|config| {
            config.section_mut::<backends::Settings>().zitadel.reconcile = Duration::from_secs(1)
        })
        .await
    }

    async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let (zitadel, issuer) = (Zitadel::start(), Issuer::start());
        let app = TestApp::with(|config| {
            zitadel.configure(config, &zitadel.url);
            adjust(config);
        })
        .await;
        let body = json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"backend": "zitadel"}});
        let id = app.operator.active_tenant(body).await.id;
        // Here an issuer that signs for Zitadel.
        let claim = issuer.stand_in(&app.operator).await;
        let world = Self { app, zitadel, issuer, id };
        for name in ["ann", "bob", "carl", "dora"] {
            world.zitadel.user(&world.id, name, ACTIVE);
            let mut claims = world.issuer.claims(name, &world.id);
            claims[claim.as_str()] = world.id.clone().into();
            world.app.operator.exchange(&world.issuer.sign(&claims)).await.expect(200);
        }
        world
    }

    async fn stop(self) {
        self.app.stop().await;
        self.issuer.stop().await;
        self.zitadel.stop().await;
    }

    /// An event of this number about somebody, or about the org; answers the receipt.
    async fn tell(&self, sequence: u64, kind: &str, aggregate: &str) -> Receipt {
        let body = json!({
            "aggregateID": aggregate, "aggregateType": "user", "resourceOwner": self.id, "instanceID": "1",
            "version": "v1", "sequence": sequence, "event_type": kind, "created_at": "2026-11-21T12:00:00Z",
            "userID": "x", "event_payload": "e30=",
        })
        .to_string();
        let time = self.app.clock.now().timestamp();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a-signing-key");
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", platform::crypto::hex(tag.as_ref()));
        let anyone = self.app.anyone();
        let request = anyone.request(reqwest::Method::POST, "/api/webhooks/zitadel");
        let request = request.header("zitadel-signature", signature);
        Reply::read(request.header("content-type", "application/json").body(body)).await.found()
    }

    /// The same, and it is settled.
    async fn settle(&self, sequence: u64, kind: &str, aggregate: &str) {
        self.tell(sequence, kind, aggregate).await;
        self.app.operator.inbox_is_through().await;
    }

    async fn user(&self, name: &str) -> User {
        let all = self.app.operator.users("acme").await;
        all.into_iter().find(|user| user.user_name.starts_with(name)).expect("a user")
    }

    async fn is_in(&self, name: &str) -> bool {
        self.user(name).await.active
    }

    async fn comes_in(&self, name: &str) {
        eventually(&format!("{name} to be in"), async || self.is_in(name).await.then_some(())).await;
    }

    async fn goes_out(&self, name: &str) {
        eventually(&format!("{name} to be out"), async || (!self.is_in(name).await).then_some(())).await;
    }

    async fn id_of(&self, name: &str) -> String {
        self.user(name).await.id
    }

    /// An admin switches somebody off.
    async fn switch_off(&self, name: &str) {
        let path = format!("{USERS}/{}", self.id_of(name).await);
        self.app.operator.patch(&path, json!({"active": false})).await.expect(200);
    }

    /// The organization's directory, which says of people whether they are active.
    async fn directory(&self) -> Client {
        self.app.scim_token(&self.id, json!({"name": "idp"})).await
    }

    async fn pushes(&self, directory: &Client, name: &str, active: bool) {
        let path = format!("/scim/v2/Users/{}", self.id_of(name).await);
        let change = json!({"Operations": [{"op": "replace", "value": {"active": active}}]});
        directory.patch(&path, change).await.expect(200);
    }

    async fn status(&self) -> String {
        self.app.operator.tenant("acme").await.status
    }
}

#[actix_web::test]
async fn of_a_person_the_last_word_counts_whichever_comes_last() {
    let world = World::told().await;
    assert!(!world.tell(12, "user.deactivated", "bob").await.duplicate);
    world.goes_out("bob").await;
    world.settle(11, "user.reactivated", "bob").await;
    assert!(!world.is_in("bob").await, "what was said before says nothing any more");
    world.settle(13, "user.reactivated", "bob").await;
    assert!(world.is_in("bob").await);
    // Once more what was settled already, and a word that was never heard and is too late.
    assert!(world.tell(12, "user.deactivated", "bob").await.duplicate);
    world.settle(10, "user.locked", "bob").await;
    assert!(world.is_in("bob").await);
    for action in ["user.deactivate", "user.reactivate"] {
        assert_eq!(world.app.audit(action).await.len(), 1, "{action}: each word is done once");
    }
    // A word is remembered although it changed nothing; others' numbers are their own.
    world.settle(22, "user.unlocked", "carl").await;
    world.settle(21, "user.locked", "carl").await;
    assert!(world.is_in("carl").await);
    world.settle(1, "user.removed", "dora").await;
    assert!(!world.is_in("dora").await);
    world.stop().await;
}

#[actix_web::test]
async fn of_an_organization_the_last_word_counts_whichever_comes_last() {
    let world = World::told().await;
    let org = world.id.as_str();
    world.settle(12, "org.deactivated", org).await;
    assert_eq!(
        status(&world.app.operator, "acme", "suspended").await.suspended_by.as_deref(),
        Some("backend")
    );
    world.settle(11, "org.reactivated", org).await;
    assert_eq!(world.status().await, "suspended");
    world.settle(13, "org.reactivated", org).await;
    assert_eq!(world.status().await, "active");
    assert!(world.tell(12, "org.deactivated", org).await.duplicate);
    world.settle(10, "org.deactivated", org).await;
    assert_eq!(world.status().await, "active");
    world.stop().await;
}

#[actix_web::test]
async fn whom_the_directory_or_an_admin_switched_off_zitadel_does_not_bring_back() {
    let world = World::told().await;
    let directory = world.directory().await;
    world.pushes(&directory, "bob", false).await;
    world.settle(12, "user.reactivated", "bob").await;
    assert!(!world.is_in("bob").await, "the directory's word stays");
    world.switch_off("carl").await;
    world.settle(12, "user.reactivated", "carl").await;
    assert!(!world.is_in("carl").await, "and an admin's");
    // Whom Zitadel cut off first is off by the later word of others as well.
    world.settle(20, "user.deactivated", "dora").await;
    world.switch_off("dora").await;
    world.settle(21, "user.reactivated", "dora").await;
    assert!(!world.is_in("dora").await);
    world.pushes(&directory, "bob", true).await;
    world.settle(13, "user.deactivated", "bob").await;
    world.pushes(&directory, "bob", false).await;
    world.settle(14, "user.reactivated", "bob").await;
    assert!(!world.is_in("bob").await);
    // What Zitadel does on its own it takes back on its own.
    world.pushes(&directory, "bob", true).await;
    world.settle(15, "user.deactivated", "bob").await;
    assert!(!world.is_in("bob").await);
    world.settle(16, "user.reactivated", "bob").await;
    assert!(world.is_in("bob").await);
    world.stop().await;
}

#[actix_web::test]
async fn what_was_lost_is_mended_in_both_directions() {
    let world = World::compared().await;
    let directory = world.directory().await;
    world.pushes(&directory, "carl", false).await;
    // Bob's way out is told, Dora's isn't, and neither's way back.
    world.zitadel.user(&world.id, "bob", INACTIVE);
    world.settle(12, "user.deactivated", "bob").await;
    world.zitadel.user(&world.id, "dora", "USER_STATE_LOCKED");
    world.goes_out("dora").await;
    assert!(!world.is_in("bob").await && world.is_in("ann").await);
    world.zitadel.user(&world.id, "bob", ACTIVE);
    world.zitadel.user(&world.id, "dora", ACTIVE);
    // What was a moment ago may not be in Zitadel's lists yet.
    world.app.clock.advance(TimeDelta::minutes(2));
    world.comes_in("bob").await;
    world.comes_in("dora").await;
    // What is told too late changes nothing, and nobody asks the directory's people back.
    world.settle(11, "user.deactivated", "bob").await;
    world.zitadel.is_compared_again(&world.id).await;
    assert!(world.is_in("bob").await && !world.is_in("carl").await);
    world.zitadel.set_active(&world.id, false);
    assert_eq!(
        status(&world.app.operator, "acme", "suspended").await.suspended_by.as_deref(),
        Some("backend")
    );
    world.zitadel.set_active(&world.id, true);
    status(&world.app.operator, "acme", "active").await;
    world.stop().await;
}
