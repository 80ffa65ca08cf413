//! An organization whose people its identity provider keeps: pushed by SCIM as Okta or as Entra does it, signed in at a real Keycloak that
//! stands for it.

use serde_json::{Value, json};
use tests::{Browser, Client, Keycloak, Page, Reply, ScimUser, Tenant, Tokens};

use super::{OWNER, Platform, quota};
use crate::scim::{ENTERPRISE, USER, patch};
use crate::sso::{claims, connect, prove_domain};

const HANNA: &str = "hanna@acme.example";
const MARRIED: &str = "hanna.berg@acme.example";
const PASSWORD: &str = "correct horse battery";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// What Entra puts behind each address when it speaks as RFC 7644 has it.
const STRICT: &str = "?aadOptscim062020";

/// Who pushes.
#[derive(Clone, Copy, PartialEq)]
enum Provider {
    /// Calls people by the subject of their tokens; switches them off and on, and never deletes.
    Okta,
    /// Calls them by a name of its own; deletes them some time after it switched them off.
    Entra,
}

struct Directory {
    provider: Provider,
    scim: Client,
}

impl Directory {
    fn at(&self, kind: &str, id: &str) -> String {
        let suffix = if self.provider == Provider::Entra { STRICT } else { "" };
        let slash = if id.is_empty() { "" } else { "/" };
        format!("/scim/v2/{kind}{slash}{id}{suffix}")
    }

    async fn hire(&self, external: &str, email: &str, last: &str) -> Reply {
        let name = format!("Hanna {last}");
        let body = match self.provider {
            Provider::Okta => json!({
                "schemas": [USER], "userName": email, "name": {"givenName": "Hanna", "familyName": last},
                "emails": [{"primary": true, "value": email, "type": "work"}], "displayName": name, "locale": "en-US",
                "externalId": external, "groups": [], "password": "1mz050nq", "active": true,
            }),
            Provider::Entra => json!({
                "schemas": [USER, ENTERPRISE], "externalId": external, "userName": email, "active": true, "displayName": name,
                "emails": [{"primary": true, "type": "work", "value": email}], "meta": {"resourceType": "User"},
                "name": {"formatted": name, "familyName": last, "givenName": "Hanna"}, "roles": [],
            }),
        };
        self.scim.post(&self.at("Users", ""), body).await
    }

    /// Okta reads everything and puts it back, changed; Entra sends what changed.
    async fn rename(&self, user: &str, email: &str, last: &str) -> ScimUser {
        let (at, name) = (self.at("Users", user), format!("Hanna {last}"));
        if self.provider == Provider::Okta {
            let mut whole = self.scim.get(&at).await.expect(200);
            (whole["userName"], whole["displayName"]) = (json!(email), json!(name));
            (whole["emails"][0]["value"], whole["name"]["familyName"]) = (json!(email), json!(last));
            return self.scim.put(&at, whole).await.found();
        }
        let scalars =
            json!({"userName": email, "displayName": name, "name.familyName": last, "name.formatted": name});
        let change = json!([
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": email},
            {"op": "replace", "value": scalars},
        ]);
        self.scim.patch(&at, patch(change)).await.found()
    }

    async fn switch(&self, user: &str, active: Value) -> ScimUser {
        let change = match self.provider {
            Provider::Okta => json!([{"op": "replace", "value": {"active": active}}]),
            Provider::Entra => json!([{"op": "replace", "path": "active", "value": active}]),
        };
        self.scim.patch(&self.at("Users", user), patch(change)).await.found()
    }

    async fn delete(&self, user: &str) {
        assert_eq!(self.scim.delete(&self.at("Users", user)).await.status, 204);
        self.scim.get(&self.at("Users", user)).await.scim_refused(404, None);
    }

    async fn group(&self, name: &str) -> String {
        let body = json!({"schemas": [GROUP], "displayName": name, "members": []});
        self.scim.post(&self.at("Groups", ""), body).await.created_id()
    }

    async fn add(&self, user: &str, group: &str) {
        let value = match self.provider {
            Provider::Okta => json!([{"value": user, "display": HANNA}]),
            Provider::Entra => json!([{"$ref": null, "value": user}]),
        };
        self.change(group, json!([{"op": "add", "path": "members", "value": value}])).await;
    }

    async fn remove(&self, user: &str, group: &str) {
        let member = format!("members[value eq \"{user}\"]");
        self.change(group, json!([{"op": "remove", "path": member}])).await;
    }

    async fn change(&self, group: &str, operations: Value) {
        let done = self.scim.patch(&self.at("Groups", group), patch(operations)).await;
        assert_eq!(done.status, 204, "{}", done.text);
    }
}

/// The organization, its directory, and where its people sign in.
struct Walk {
    platform: Platform,
    keycloak: Keycloak,
    acme: Tenant,
    directory: Directory,
    /// Hanna's subject there.
    subject: String,
}

/// Somebody who signed in by the organization's connection.
struct SignedIn {
    browser: Browser,
    access: String,
    refresh: String,
    /// Claims of the ID token.
    is: Value,
}

impl SignedIn {
    fn of(browser: Browser, tokens: &Tokens) -> Self {
        let is = claims(tokens.id());
        Self { browser, access: tokens.access_token.clone(), refresh: tokens.refresh().to_owned(), is }
    }
}

impl Walk {
    /// Its owner is there already. Hanna is invited by hand, and has not looked at that mail when the directory is connected.
    async fn begins(provider: Provider) -> Self {
        let (platform, keycloak) = (Platform::with(|_| ()).await, Keycloak::start().await);
        let body =
            json!({"slug": "acme", "name": "Acme", "plan": "pro", "owner": {"email": OWNER, "name": "Olga"}});
        let acme = platform.tenant(body).await;
        platform.app.accept_invitation(OWNER).await;
        acme.invite(HANNA, "viewer").await;
        let connection = json!({"type": "oidc", "name": "Corp", "issuer": keycloak.issuer(), "clientId": "tenantry", "clientSecret": "s3cret"});
        let connection = connect(&acme, connection).await;
        let client = json!({"clientId": "tenantry", "secret": "s3cret", "redirectUris": [connection.redirect_uri], "publicClient": false});
        keycloak.post("clients", client).await.expect(201);
        let policy = json!({"enforced": true, "jitProvisioning": false});
        acme.admin.put(&acme.path("sso-policy"), policy).await.expect(200);
        if provider == Provider::Entra {
            prove_domain(&platform.app, &acme, "acme.example").await;
        }
        let subject = keycloak.hire(&keycloak.realm, HANNA, ("Hanna", "Graf", PASSWORD)).await;
        let directory = Directory { provider, scim: acme.scim.clone() };
        Self { platform, keycloak, acme, directory, subject }
    }

    /// What the directory calls her.
    fn external(&self) -> &str {
        if self.directory.provider == Provider::Okta { &self.subject } else { "hgraf" }
    }

    /// She signs in at her organization's provider for a module, up to where that leads.
    async fn tries(&self, browser: &mut Browser, email: &str) -> Page {
        let page =
            browser.open(self.platform.module.authorize(&self.platform.app, &[("tenant", "acme")])).await;
        self.keycloak.answer(browser, page, (email, PASSWORD)).await
    }

    async fn signs_in(&self, email: &str) -> SignedIn {
        let mut browser = Browser::default();
        let page = self.tries(&mut browser, email).await;
        let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
        let tokens: Tokens = self.platform.module.redeem(&self.platform.app, &code).await.found();
        SignedIn::of(browser, &tokens)
    }

    /// The session goes on.
    async fn goes_on(&self, session: SignedIn) -> SignedIn {
        let refreshed = self.platform.module.refresh(&self.platform.app, &session.refresh).await;
        SignedIn::of(session.browser, &refreshed.found())
    }

    async fn is_over(&self, session: &SignedIn) {
        assert_eq!(self.platform.role(&session.access).await, None);
        let refreshed = self.platform.module.refresh(&self.platform.app, &session.refresh).await;
        refreshed.oauth_refused(400, "invalid_grant");
    }

    async fn role(&self, session: &SignedIn) -> String {
        self.platform.role(&session.access).await.expect("a living session")
    }

    async fn seats(&self) -> ((i64, i64), (i64, i64)) {
        (quota(&self.acme, "users").await, quota(&self.acme, "admins").await)
    }
}

#[actix_web::test]
async fn okta_hires_renames_moves_lets_go_and_takes_back() {
    let walk = Walk::begins(Provider::Okta).await;
    let hanna = hired(&walk).await;
    renamed(&walk, &hanna).await;
    moved(&walk, &hanna).await;
    gone_and_back(&walk, &hanna).await;
    walk.platform.app.stop().await;
}

#[actix_web::test]
async fn entra_hires_renames_moves_deletes_and_hires_again() {
    let walk = Walk::begins(Provider::Entra).await;
    let hanna = hired(&walk).await;
    renamed(&walk, &hanna).await;
    moved(&walk, &hanna).await;
    gone_and_back(&walk, &hanna).await;
    deleted_and_hired_again(&walk, &hanna).await;
    walk.platform.app.stop().await;
}

/// Answers her id.
async fn hired(walk: &Walk) -> String {
    assert_eq!(walk.seats().await, ((1, 1), (1, 0)));
    let hanna = walk.directory.hire(walk.external(), HANNA, "Graf").await.created_id();
    walk.directory.hire(walk.external(), HANNA, "Graf").await.scim_refused(409, Some("uniqueness"));
    assert_eq!(walk.seats().await, ((2, 0), (1, 0)), "the seat that was held for her");
    let session = walk.signs_in(HANNA).await;
    assert_eq!((&session.is["sub"], &session.is["name"]), (&json!(hanna), &json!("Hanna Graf")));
    assert_eq!((walk.role(&session).await.as_str(), walk.seats().await), ("viewer", ((2, 0), (1, 0))));
    hanna
}

async fn renamed(walk: &Walk, hanna: &str) {
    let before = walk.signs_in(HANNA).await;
    // At the provider, and by the directory.
    let user = format!("/admin/realms/{}/users/{}", walk.keycloak.realm, walk.subject);
    let person = json!({"email": MARRIED, "lastName": "Berg", "firstName": "Hanna", "emailVerified": true});
    walk.keycloak.update(&user, person).await;
    let shown = walk.directory.rename(hanna, MARRIED, "Berg").await;
    assert_eq!((shown.id.as_str(), shown.user_name.as_str()), (hanna, MARRIED));
    // Her session is hers still, and says who she is now; so does a new one.
    for session in [walk.goes_on(before).await, walk.signs_in(HANNA).await] {
        let is = (&session.is["sub"], &session.is["email"], &session.is["name"]);
        assert_eq!(is, (&json!(hanna), &json!(MARRIED), &json!("Hanna Berg")));
    }
    assert_eq!(walk.seats().await, ((2, 0), (1, 0)));
}

async fn moved(walk: &Walk, hanna: &str) {
    let Walk { acme, directory, .. } = walk;
    let (editors, heads) = (directory.group("Editors").await, directory.group("Heads").await);
    for (group, role) in [(&editors, "contributor"), (&heads, "admin")] {
        let mapping = json!({"groupId": group, "role": role});
        acme.admin.post(&acme.path("role-mappings"), mapping).await.expect(201);
    }
    let mut session = walk.signs_in(HANNA).await;
    directory.add(hanna, &editors).await;
    session = walk.goes_on(session).await;
    assert_eq!(walk.role(&session).await, "contributor");
    directory.add(hanna, &heads).await;
    directory.remove(hanna, &editors).await;
    session = walk.goes_on(session).await;
    assert_eq!((walk.role(&session).await.as_str(), walk.seats().await), ("admin", ((2, 0), (2, 0))));
    let user = format!("/api/v1/tenants/acme/users/{hanna}");
    acme.admin.patch(&user, json!({"role": "guest"})).await.refused(409, "user.managed");
    directory.remove(hanna, &heads).await;
    session = walk.goes_on(session).await;
    assert_eq!((walk.role(&session).await.as_str(), walk.seats().await), ("viewer", ((2, 0), (1, 0))));
    // She leaves later as an editor.
    directory.add(hanna, &editors).await;
}

/// Nobody brings her back but her directory: neither the browser in which she was signed in, here and at her provider, nor an admin, nor the
/// mail by which she was invited once.
async fn stays_out(walk: &Walk, session: &mut SignedIn) {
    let Walk { platform, acme, .. } = walk;
    walk.is_over(session).await;
    walk.tries(&mut session.browser, HANNA).await.refused("user.deactivated");
    walk.tries(&mut Browser::default(), HANNA).await.refused("user.deactivated");
    for email in [HANNA, MARRIED] {
        let invited = json!({"email": email, "role": "viewer"});
        let refused = acme.admin.post("/api/v1/tenants/acme/invitations", invited).await;
        refused.refused(409, "invitation.directory_managed");
    }
    let token = json!({"token": platform.app.invitation_token(HANNA).await});
    let accepted = platform.app.anyone().post("/api/v1/invitations/accept", token).await;
    accepted.refused(410, "invitation.gone");
    assert_eq!(walk.seats().await, ((1, 0), (1, 0)));
}

async fn gone_and_back(walk: &Walk, hanna: &str) {
    let mut session = walk.signs_in(HANNA).await;
    let [off, on] = match walk.directory.provider {
        Provider::Okta => [json!(false), json!(true)],
        Provider::Entra => [json!("False"), json!("True")],
    };
    assert!(!walk.directory.switch(hanna, off).await.active);
    stays_out(walk, &mut session).await;
    assert!(walk.directory.switch(hanna, on).await.active);
    let back = walk.signs_in(HANNA).await;
    assert_eq!((&back.is["sub"], walk.role(&back).await.as_str()), (&json!(hanna), "contributor"));
    assert_eq!(walk.seats().await, ((2, 0), (1, 0)));
    walk.is_over(&session).await;
}

async fn deleted_and_hired_again(walk: &Walk, hanna: &str) {
    let mut session = walk.signs_in(HANNA).await;
    walk.directory.switch(hanna, json!("False")).await;
    walk.directory.delete(hanna).await;
    stays_out(walk, &mut session).await;
    let again = walk.directory.hire(walk.external(), MARRIED, "Berg").await.created_id();
    assert_ne!(again, hanna, "an id is nobody else's, ever");
    let mut back = walk.signs_in(HANNA).await;
    assert_eq!((&back.is["sub"], &back.is["name"]), (&json!(again), &json!("Hanna Berg")));
    assert_eq!((walk.role(&back).await.as_str(), walk.seats().await), ("viewer", ((2, 0), (1, 0))));
    walk.is_over(&session).await;
    // And she can go again.
    walk.directory.switch(&again, json!("False")).await;
    stays_out(walk, &mut back).await;
}
