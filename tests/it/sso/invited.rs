//! An organization that lets people in by its own identity provider only: who is invited accepts there.

use serde_json::json;
use tests::{Browser, Invitation, OidcProvider, TestApp, eventually};

use super::*;

#[actix_web::test]
async fn who_is_invited_accepts_by_signing_in_where_nothing_else_is_wanted() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let policy = acme.path("sso-policy");
    let strict = json!({"enforced": true, "jitProvisioning": false, "defaultRole": "guest"});
    acme.admin.put(&policy, strict).await.expect(200);
    let list = "/api/v1/tenants/acme/invitations";
    let invite = |email: &str| json!({"email": email, "role": "contributor"});
    let made = app.operator.post(list, invite("Alice@corp.example")).await.created_id();
    let token = app.invitation_token("Alice@corp.example").await;
    // Neither the page nor the API lets anybody in: both say where to go.
    let refused = app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await;
    let refused = refused.refused(403, "sso.enforced");
    let sign_in_url = refused.fact("ssoUrl").as_str().unwrap();
    assert!(
        sign_in_url.contains("/login?tenant=acme") && sign_in_url.contains("login_hint=Alice%40corp.example")
    );
    let page = app.anyone().get(&format!("/invitations/accept?token={token}")).await;
    assert!(page.text.contains("Go to sign-in") && !page.text.contains("name=\"displayName\""));
    // Who wasn't invited is not let in; whose address the provider doesn't vouch for neither.
    let path = format!("{list}/{made}");
    let state = async || app.operator.get(&path).await.found::<Invitation>();
    let stranger = sign_in(&app, &mut Browser::default(), &module, &acme, "mallory").await;
    stranger.refused("sso.not_provisioned");
    app.operator.post(list, invite("eve@corp.example")).await.expect(201);
    let unverified = sign_in(&app, &mut Browser::default(), &module, &acme, "eve!unverified").await;
    assert!(unverified.text.contains("name=\"code\""), "{}", unverified.text);
    assert_eq!(state().await.status, "pending");
    // Her provider's word for the address is its admin's, who may be anybody: she is asked for a code from her mail …
    let alice = sign_in(&app, &mut Browser::default(), &module, &acme, "alice").await;
    assert!(alice.text.contains("name=\"code\""), "{}", alice.text);
    assert_eq!(state().await.status, "pending");
    // … unless she comes by the mailed link, which is that proof.
    let mut browser = Browser::default();
    let page = browser.open(sign_in_url).await;
    let page = browser.at_oidc_provider(page, "alice").await.expect(200);
    assert!(browser.cookie(&app.operator.base, "tnt_session").is_some(), "{}", page.text);
    let accepted = eventually("the invitation to be accepted", async || {
        let state = state().await;
        (state.status == "accepted").then_some(state)
    })
    .await;
    let user = acme.admin.user("acme", &accepted.user_id.unwrap()).await;
    assert_eq!((user.role.as_str(), user.source.as_str()), ("contributor", "invitation"));
    app.anyone()
        .post("/api/v1/invitations/accept", json!({"token": token}))
        .await
        .refused(410, "invitation.gone");
    app.stop().await;
}
