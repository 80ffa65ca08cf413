//! What the walks ran into, in the fewest steps.

use serde_json::json;
use tests::{Exchanged, Issuer, Tenant, TestApp, Zitadel};

const ACCEPT: &str = "/api/v1/invitations/accept";
const USERS: &str = "/scim/v2/Users";
const ORG: &str = "urn:zitadel:iam:user:resourceowner:id";
const ROLES: &str = "urn:zitadel:iam:org:project:roles";

/// A tenant that is an org of Zitadel's.
async fn org(zitadel: &Zitadel) -> (TestApp, String) {
    let app = TestApp::with(|config| zitadel.configure(config, &zitadel.url)).await;
    let body = json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"backend": "zitadel"}});
    let id = app.operator.active_tenant(body).await.id;
    (app, id)
}

/// Somebody whom an admin gave a role comes with others that Zitadel grants, one after the other.
async fn comes_with(given: &str, granted: &[Option<&str>]) -> Vec<String> {
    let (zitadel, issuer) = (Zitadel::start(), Issuer::start());
    let (app, id) = org(&zitadel).await;
    issuer.register_by(&app.operator, ORG).await;
    // Somebody else runs the tenant.
    let invited = json!({"email": "root@example.com", "role": "admin"});
    app.operator.post("/api/v1/tenants/acme/invitations", invited).await.expect(201);
    app.accept_invitation("root@example.com").await;
    let invited = json!({"email": "bob@example.com", "role": given});
    app.operator.post("/api/v1/tenants/acme/invitations", invited).await.expect(201);
    let mut roles = Vec::new();
    for granted in granted {
        let mut claims = issuer.claims("bob", "");
        claims[ORG] = json!(id);
        if let Some(role) = granted {
            claims[ROLES] = json!({*role: {id.as_str(): "acme.example"}});
        }
        roles.push(app.operator.exchange(&issuer.sign(&claims)).await.found::<Exchanged>().user.role);
    }
    app.stop().await;
    issuer.stop().await;
    zitadel.stop().await;
    roles
}

#[actix_web::test]
async fn a_role_that_the_backend_gives_raises_who_was_invited() {
    assert_eq!(
        comes_with("viewer", &[None, Some("contributor"), None]).await,
        ["viewer", "contributor", "viewer"]
    );
}

#[actix_web::test]
async fn what_an_admin_gave_is_left_when_the_backend_takes_back_more() {
    assert_eq!(comes_with("contributor", &[Some("admin"), None]).await, ["admin", "contributor"]);
}

/// Hanna, whom the directory made, renamed, and then removed or only switched off.
async fn renamed_and_gone(app: &TestApp, invited: Option<&str>, gone: Gone) -> Tenant {
    let acme = app.tenant("acme").await;
    if let Some(role) = invited {
        acme.invite(BEFORE, role).await;
    }
    let hanna = format!("{USERS}/{}", acme.user(BEFORE).await);
    acme.scim.put(&hanna, json!({"userName": "hanna.berg@x.test"})).await.expect(200);
    match gone {
        Gone::Removed => assert_eq!(acme.scim.delete(&hanna).await.status, 204),
        Gone::Off => {
            let off = json!({"userName": "hanna.berg@x.test", "active": false});
            acme.scim.put(&hanna, off).await.expect(200);
        }
    }
    acme
}

const BEFORE: &str = "hanna@x.test";

#[derive(Clone, Copy, Debug)]
enum Gone {
    Removed,
    Off,
}

#[actix_web::test]
async fn who_leaves_under_another_name_than_they_were_invited_by_has_no_invitation_left() {
    for gone in [Gone::Removed, Gone::Off] {
        let app = TestApp::start().await;
        renamed_and_gone(&app, Some("admin"), gone).await;
        let token = json!({"token": app.invitation_token(BEFORE).await});
        app.anyone().post(ACCEPT, token).await.refused(410, "invitation.gone");
        app.stop().await;
    }
}

#[actix_web::test]
async fn who_was_removed_is_refused_under_every_name_they_had() {
    let mut answers = Vec::new();
    for gone in [Gone::Removed, Gone::Off] {
        let (app, issuer) = (TestApp::start().await, Issuer::start());
        issuer.register(&app.operator).await;
        renamed_and_gone(&app, None, gone).await;
        let mut claims = issuer.claims("h-1", "org_acme");
        claims["email"] = json!(BEFORE);
        let reply = app.operator.exchange(&issuer.sign(&claims)).await;
        answers.push((gone, reply.status.as_u16()));
        app.stop().await;
        issuer.stop().await;
    }
    assert!(answers.iter().all(|(_, status)| *status == 403), "{answers:?}");
}
