//! A free tenant without an identity provider: nobody can sign in until its admin connects one, and every door says so.

use serde_json::json;
use tests::{Browser, ConnectionTest, OidcProvider, Page, Tenant, Tokens};

use super::{Platform, quota};
use crate::sso::{claims, oidc_connection};

const OLGA: &str = "olga@corp.example";
const BOB: &str = "bob@corp.example";
/// What every door says.
const SAID: [&str; 3] =
    ["no way to sign in yet", "Nobody has connected an identity provider", "/connections)"];

/// The tenant, and the door of its own issuer if it has one.
struct Walk {
    platform: Platform,
    acme: Tenant,
    own_door: Option<String>,
}

#[actix_web::test]
async fn a_free_tenant_has_no_way_in_until_its_admin_makes_one() {
    walk("org").await;
}

#[actix_web::test]
async fn a_free_tenant_with_an_issuer_of_its_own_has_no_way_in_until_its_admin_makes_one() {
    walk("realm").await;
}

async fn walk(kind: &str) {
    let platform = Platform::with(|_| ()).await;
    let body = json!({"slug": "acme", "name": "Acme", "identity": {"backend": "builtin", "kind": kind}, "owner": {"email": OLGA}});
    let acme = platform.tenant(body).await;
    let made = acme.admin.tenant("acme").await;
    assert_eq!((made.plan.as_str(), made.status.as_str()), ("free", "active"));
    assert_eq!(made.identity.backend, "builtin");
    let base = &platform.app.operator.base;
    let own_door = (kind == "realm").then(|| format!("{base}/realms/acme/oauth2/authorize"));
    let walk = Walk { platform, acme, own_door };
    invitations_make_people_without_a_way_in(&walk).await;
    let link = every_door_says_what_to_do(&walk).await;
    the_admin_does_it_and_the_same_link_works(&walk, &link).await;
    walk.platform.app.stop().await;
}

async fn invitations_make_people_without_a_way_in(walk: &Walk) {
    let Walk { platform, acme, .. } = walk;
    let (app, mut browser) = (&platform.app, Browser::default());
    // It can't want people to come in by its own connections only while it has none.
    let policy = json!({"enforced": true});
    acme.admin.put(&acme.path("sso-policy"), policy).await.refused(400, "validation.failed");
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((0, 1), (0, 1)));
    let token = app.invitation_token(OLGA).await;
    let page = browser.open(format!("{}/invitations/accept?token={token}", app.operator.base)).await;
    let page = browser.submit(&page.expect(200), &[("displayName", "Olga")]).await.expect(200);
    assert!(page.text.contains("Welcome to Acme") && page.text.contains("admin"), "{}", page.text);
    assert_eq!(browser.cookie(&app.operator.base, "tnt_session"), None);
    // By the API it is the same: somebody is a user, and has nothing to come in with.
    acme.invite(BOB, "contributor").await;
    let token = app.invitation_token(BOB).await;
    let accepted = app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await.expect(200);
    assert_eq!((&accepted["status"], &accepted["role"]), (&json!("accepted"), &json!("contributor")));
    assert!(accepted["userId"].is_string() && accepted.get("token").is_none(), "{accepted}");
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((2, 0), (1, 0)));
}

fn says_what_to_do(page: Page) {
    let page = page.refused("sso.no_way_in");
    assert!(SAID.iter().all(|text| page.plain().contains(text)), "{}", page.text);
}

/// Answers the link that a mail brings.
async fn every_door_says_what_to_do(walk: &Walk) -> String {
    let Walk { platform, own_door, .. } = walk;
    let (app, module) = (&platform.app, &platform.module);
    let base = &app.operator.base;
    let hints: [&[(&str, &str)]; 3] = [
        &[("tenant", "acme")],
        &[("tenant", "acme"), ("organization", "default")],
        &[("tenant", "acme"), ("login_hint", OLGA), ("prompt", "login")],
    ];
    for hints in hints {
        says_what_to_do(Browser::default().open(module.authorize(app, hints)).await);
    }
    if let Some(door) = own_door {
        says_what_to_do(Browser::default().open(module.authorize_at(door, &[])).await);
    }
    says_what_to_do(Browser::default().open(format!("{base}/login?tenant=acme&login_hint={OLGA}")).await);
    // A module that wants no page hears that nobody is signed in.
    let silent = module.authorize(app, &[("tenant", "acme"), ("prompt", "none")]);
    let page = Browser::default().open(silent).await;
    assert_eq!(page.parameter("error").as_deref(), Some("login_required"), "{}", page.url);
    // Whoever only knows their address is mailed the way, which says so too.
    let mut browser = Browser::default();
    let page = browser.open(format!("{base}/login")).await.expect(200);
    browser.submit(&page, &[("email", OLGA)]).await.expect(200);
    let link = app.mail("the way", |mail| mail.is_for("sign-in-link", OLGA)).await.links.remove(0);
    says_what_to_do(browser.open(&link).await);
    link
}

async fn the_admin_does_it_and_the_same_link_works(walk: &Walk, link: &str) {
    let Walk { platform, acme, .. } = walk;
    let (op, mut browser) = (OidcProvider::start().await, Browser::default());
    let made = oidc_connection(&op, acme, json!({})).await;
    let test = acme.path(&format!("connections/{}/test", made.id));
    let tested: ConnectionTest = acme.admin.post(&test, json!({})).await.found();
    assert!(tested.ok);
    let page = browser.open(&tested.test_url).await;
    let page = browser.at_oidc_provider(page, "olga").await.expect(200);
    assert!(page.text.contains(OLGA), "{}", page.text);
    // The provider's word for her address is the admin's: the account is hers by a code that is mailed there, once.
    let mut browser = Browser::default();
    let page = browser.open(link).await;
    let page = browser.at_oidc_provider(page, "olga").await.expect(200);
    let code = platform.app.mailed_code(OLGA).await;
    browser.submit(&page, &[("code", &code)]).await.expect(200);
    assert!(browser.cookie(&platform.app.operator.base, "tnt_session").is_some());
    let page = browser.open(platform.module.authorize(&platform.app, &[("tenant", "acme")])).await;
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
    let tokens: Tokens = platform.module.redeem(&platform.app, &code).await.found();
    assert_eq!(platform.role(&tokens.access_token).await.as_deref(), Some("admin"));
    assert_eq!(claims(tokens.id())["email"], OLGA);
    // From another machine she is in without a code.
    let mut elsewhere = Browser::default();
    let page = elsewhere.open(platform.module.authorize(&platform.app, &[("tenant", "acme")])).await;
    let page = elsewhere.at_oidc_provider(page, "olga").await;
    assert!(page.parameter("code").is_some(), "{} {}", page.url, page.text);
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((2, 0), (1, 0)));
}
