//! Tenants that are organizations of a realm that they share, in a real Keycloak.

use serde_json::json;
use tests::{Keycloak, SmtpServer, Tenant, status};

use super::{OWNER, Person, Platform, fresh, invitation, quota};

const SCOPE: &str = "openid email profile organization";
const CARL: &str = "carl@acme.example";

/// The tenant, another one in the same realm, and where that realm is.
struct Walk {
    platform: Platform,
    keycloak: Keycloak,
    realm: String,
    mail: SmtpServer,
    other: Tenant,
    acme: Tenant,
}

async fn tenant(platform: &Platform, name: &str, owner: &str) -> Tenant {
    let body = json!({
        "slug": fresh(name), "name": name, "plan": "pro", "identity": {"backend": "keycloak", "kind": "org"},
        "owner": {"email": owner, "name": "Olga Owner"},
    });
    platform.tenant(body).await
}

impl Walk {
    async fn begins() -> Self {
        let keycloak = Keycloak::start().await;
        let platform = Platform::with(|config| {
            keycloak.configure(config, &keycloak.url);
            config.outbound.timeout = std::time::Duration::from_secs(60);
        })
        .await;
        // The first tenant brings the realm with it; whoever runs Keycloak lets it send mail.
        let other = tenant(&platform, "other", "otto@other.example").await;
        let (realm, mail) = (format!("shared-{}", keycloak.realm), SmtpServer::start().await);
        keycloak.sends_mail(&realm, &mail).await;
        let acme = tenant(&platform, "acme", OWNER).await;
        Self { platform, keycloak, realm, mail, other, acme }
    }

    fn person(&self, email: &str) -> Person<'_> {
        Person::new(&self.keycloak, &self.realm, email)
    }
}

#[actix_web::test]
async fn a_tenant_in_a_shared_realm_from_its_creation_to_its_end() {
    let mut walk = Walk::begins().await;
    let link = walk.mail.link(OWNER).await;
    let (mut olga, mut carl) = (walk.person(OWNER), walk.person(CARL));
    the_owner_runs_it(&walk, &mut olga, &link).await;
    a_colleague_is_what_the_tenant_makes_of_them(&walk, &mut carl).await;
    suspended_nobody_is_in(&walk, &mut olga).await;
    let second = an_owner_of_two_says_which_one(&walk).await;
    deleted_the_organization_is_gone_and_the_others_stay(&walk, &second).await;
    walk.platform.app.stop().await;
}

async fn the_owner_runs_it(walk: &Walk, olga: &mut Person<'_>, link: &str) {
    let Walk { platform, acme, .. } = walk;
    // Keycloak's mail leads to where she sets a password.
    let page = olga.browser.open(link).await.expect(200);
    let page = olga.browser.open(page.link("action-token")).await;
    olga.answers(page).await.expect(200);
    let visit = platform.comes(&olga.signs_in(SCOPE).await).await;
    assert_eq!((&visit.tenant, visit.user.role.as_str()), (&acme.slug, "admin"));
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((1, 0), (1, 0)));
    assert_eq!(invitation(acme, OWNER).await.status, "accepted");
}

async fn a_colleague_is_what_the_tenant_makes_of_them(walk: &Walk, carl: &mut Person<'_>) {
    let Walk { platform, keycloak, acme, .. } = walk;
    let id = keycloak.hire(&walk.realm, CARL, ("Carl", "Coe", carl.password)).await;
    // Whoever is in the realm is in no tenant by that.
    let token = carl.signs_in(SCOPE).await;
    platform.exchange(&token).await.refused(404, "sso.tenant_unknown");
    let found = platform.app.operator.tenant(&acme.slug).await;
    keycloak.joins(&walk.realm, &found.identity.external_id.expect("an id"), &id).await;
    let first = platform.comes(&carl.signs_in(SCOPE).await).await;
    assert_eq!((first.user.role.as_str(), quota(acme, "users").await), ("viewer", (2, 0)));
    // The realm is everybody's: a role is the tenant's own to give.
    let user = format!("/api/v1/tenants/{}/users/{}", acme.slug, first.user.id);
    for role in ["contributor", "viewer"] {
        acme.admin.patch(&user, json!({"role": role})).await.expect(200);
        assert_eq!(platform.comes(&carl.signs_in(SCOPE).await).await.user.role, role);
    }
}

async fn suspended_nobody_is_in(walk: &Walk, olga: &mut Person<'_>) {
    let Walk { platform, acme, .. } = walk;
    let operator = &platform.app.operator;
    let token = olga.signs_in(SCOPE).await;
    let before = platform.comes(&token).await;
    operator.post(&format!("/api/v1/tenants/{}/suspend", acme.slug), json!({})).await.expect(200);
    platform.exchange(&token).await.refused(403, "tenant.suspended");
    assert!(platform.is_over(&before).await);
    operator.post(&format!("/api/v1/tenants/{}/resume", acme.slug), json!({})).await.expect(200);
    let after = platform.comes(&token).await;
    assert_eq!((&after.user.id, after.user.role.as_str()), (&before.user.id, "admin"));
}

async fn an_owner_of_two_says_which_one(walk: &Walk) -> Tenant {
    let Walk { platform, acme, .. } = walk;
    let second = tenant(platform, "second", OWNER).await;
    // Each time in a browser of its own: Keycloak's session stays with the organization for which it began.
    for one in [&second, acme] {
        let by_the_app = walk.person(OWNER).signs_in(&format!("{SCOPE}:{}", one.slug)).await;
        let mut olga = walk.person(OWNER);
        let page = olga.opens_the_app(SCOPE).await;
        let page = olga.answers(page).await.expect(200);
        let page = olga.browser.submit(&page, &[("kc.org", &one.slug)]).await;
        let page = olga.answers(page).await;
        let by_herself = olga.token(&page).await;
        for token in [by_the_app, by_herself] {
            let visit = platform.comes(&token).await;
            assert_eq!((&visit.tenant, visit.user.role.as_str()), (&one.slug, "admin"));
        }
        assert_eq!(quota(one, "admins").await, (1, 0));
    }
    second
}

async fn deleted_the_organization_is_gone_and_the_others_stay(walk: &Walk, second: &Tenant) {
    let Walk { platform, keycloak, acme, .. } = walk;
    let operator = &platform.app.operator;
    let token = walk.person(OWNER).signs_in(&format!("{SCOPE}:{}", acme.slug)).await;
    let before = platform.comes(&token).await;
    operator.delete(&format!("/api/v1/tenants/{}", acme.slug)).await.expect(202);
    assert!(platform.is_over(&before).await);
    status(operator, &acme.id, "deleted").await;
    platform.exchange(&token).await.refused(404, "sso.tenant_unknown");
    let there =
        keycloak.admin().await.get(&format!("/admin/realms/{}/organizations", walk.realm)).await.expect(200);
    let mut left: Vec<&str> =
        there.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, [walk.other.slug.as_str(), second.slug.as_str()]);
    // She has one left, so nobody asks which.
    let visit = platform.comes(&walk.person(OWNER).signs_in(SCOPE).await).await;
    assert_eq!((&visit.tenant, visit.user.role.as_str()), (&second.slug, "admin"));
    // Who was a member of that organization only has a password in the realm, and no tenant.
    let carl = walk.person(CARL).signs_in(SCOPE).await;
    platform.exchange(&carl).await.refused(404, "sso.tenant_unknown");
}
