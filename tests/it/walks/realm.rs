//! A tenant that has a realm of its own in a real Keycloak.

use reqwest::Method;
use serde_json::json;
use tests::{Keycloak, SmtpServer, Tenant, eventually, status};

use super::{OWNER, Person, Platform, fresh, invitation, quota};

const SCOPE: &str = "openid email profile";
const CARL: &str = "carl@acme.example";

/// The tenant, and where its realm is.
struct Walk {
    platform: Platform,
    keycloak: Keycloak,
    acme: Tenant,
}

impl Walk {
    async fn begins() -> Self {
        let keycloak = Keycloak::start().await;
        let platform = Platform::with(|config| {
            keycloak.configure(config, &keycloak.url);
            config.outbound.timeout = std::time::Duration::from_secs(60);
        })
        .await;
        let body = json!({
            "slug": fresh("walk"), "name": "Acme", "plan": "pro", "identity": {"backend": "keycloak", "kind": "realm"},
            "owner": {"email": OWNER, "name": "Olga Owner"},
        });
        let acme = platform.tenant(body).await;
        Self { platform, keycloak, acme }
    }

    fn person(&self, email: &str) -> Person<'_> {
        Person::new(&self.keycloak, &self.acme.slug, email)
    }

    /// An operator does something to the tenant.
    async fn is(&self, what: &str) {
        let path = format!("/api/v1/tenants/{}/{what}", self.acme.slug);
        self.platform.app.operator.post(&path, json!({})).await.expect(200);
    }
}

#[actix_web::test]
async fn a_tenant_with_a_realm_from_its_creation_to_its_end() {
    let walk = Walk::begins().await;
    let (mut olga, mut carl) = (walk.person(OWNER), walk.person(CARL));
    the_owner_runs_it(&walk, &mut olga).await;
    roles_of_the_realm_count(&walk, &mut carl).await;
    suspended_nobody_is_in(&walk, &mut olga).await;
    deleted_the_realm_is_gone(&walk, &mut olga).await;
    walk.platform.app.stop().await;
}

async fn the_owner_runs_it(walk: &Walk, olga: &mut Person<'_>) {
    let Walk { platform, keycloak, acme } = walk;
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((0, 1), (0, 1)));
    // She has no password yet: the page of her realm mails her a link, behind which she sets one, and another that proves her address.
    let mut mail = SmtpServer::start().await;
    keycloak.sends_mail(&acme.slug, &mail).await;
    let page = olga.opens_the_app(SCOPE).await.expect(200);
    assert!(page.text.contains("Acme"), "{}", page.text);
    let forgotten = olga.browser.open(page.link("reset-credentials")).await;
    olga.answers(forgotten).await.expect(200);
    let page = olga.browser.open(mail.link(OWNER).await).await;
    let page = olga.answers(page).await.expect(200);
    assert!(page.text.contains("verify your email"), "{}", page.text);
    let page = olga.browser.open(mail.link(OWNER).await).await;
    let visit = platform.comes(&olga.token(&page).await).await;
    assert_eq!((&visit.tenant, visit.user.role.as_str()), (&acme.slug, "admin"));
    assert_eq!(platform.role(&visit.token).await.as_deref(), Some("admin"));
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((1, 0), (1, 0)));
    let accepted = invitation(acme, OWNER).await;
    assert_eq!((accepted.status.as_str(), accepted.user_id.as_ref()), ("accepted", Some(&visit.user.id)));
    // From another machine her password lets her in.
    let mut elsewhere = walk.person(OWNER);
    let again = platform.comes(&elsewhere.signs_in(SCOPE).await).await;
    assert_eq!(again.user.id, visit.user.id);
}

async fn roles_of_the_realm_count(walk: &Walk, carl: &mut Person<'_>) {
    let Walk { platform, keycloak, acme } = walk;
    let id = keycloak.hire(&acme.slug, CARL, ("Carl", "Coe", carl.password)).await;
    let first = platform.comes(&carl.signs_in(SCOPE).await).await;
    assert_eq!((first.user.role.as_str(), quota(acme, "users").await), ("viewer", (2, 0)));
    for (how, role, is) in [
        (Method::POST, "contributor", "contributor"),
        (Method::POST, "admin", "admin"),
        (Method::DELETE, "admin", "contributor"),
        (Method::DELETE, "contributor", "viewer"),
    ] {
        keycloak.role(how, &acme.slug, &id, role).await;
        let visit = platform.comes(&carl.signs_in(SCOPE).await).await;
        assert_eq!((&visit.user.id, visit.user.role.as_str()), (&first.user.id, is));
    }
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((2, 0), (1, 0)));
}

async fn suspended_nobody_is_in(walk: &Walk, olga: &mut Person<'_>) {
    let Walk { platform, acme, .. } = walk;
    let token = olga.signs_in(SCOPE).await;
    let before = platform.comes(&token).await;
    walk.is("suspend").await;
    platform.exchange(&token).await.refused(403, "tenant.suspended");
    assert!(platform.is_over(&before).await);
    the_key_is_refused(acme, 403).await;
    // Keycloak lets nobody through either.
    eventually("the realm's door to close", async || {
        let page = olga.opens_the_app(SCOPE).await;
        page.parameter("code").is_none().then_some(())
    })
    .await;
    walk.is("resume").await;
    let page = eventually("the realm's door to open", async || {
        let page = olga.opens_the_app(SCOPE).await;
        let page = olga.answers(page).await;
        page.parameter("code").is_some().then_some(page)
    })
    .await;
    let after = platform.comes(&olga.token(&page).await).await;
    assert_eq!((&after.user.id, after.user.role.as_str()), (&before.user.id, "admin"));
    assert!(platform.is_over(&before).await, "what was over stays so");
}

async fn deleted_the_realm_is_gone(walk: &Walk, olga: &mut Person<'_>) {
    let Walk { platform, acme, .. } = walk;
    let token = olga.signs_in(SCOPE).await;
    let before = platform.comes(&token).await;
    platform.app.operator.delete(&format!("/api/v1/tenants/{}", acme.slug)).await.expect(202);
    assert!(platform.is_over(&before).await);
    status(&platform.app.operator, &acme.id, "deleted").await;
    olga.opens_the_app(SCOPE).await.expect(404);
    platform.exchange(&token).await.refused(401, "sso.issuer_unknown");
    the_key_is_refused(acme, 401).await;
}

/// Every process knows it within a second.
async fn the_key_is_refused(acme: &Tenant, status: u16) {
    eventually("the admin's key to be refused", async || {
        let reply = acme.admin.get(&format!("/api/v1/tenants/{}/users", acme.slug)).await;
        (reply.status == status).then_some(())
    })
    .await;
}
