//! The pages that people see in a browser.

use serde_json::json;
use tests::{Browser, Issuer, Page, TestApp};

use super::mails::mail_is;
use super::{json_is, page_is};
use crate::sso::{claims, connect, module, text};

#[actix_web::test]
async fn signing_in_and_out() {
    let (app, issuer) = (TestApp::start().await, Issuer::start());
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    let mut browser = Browser::default();
    let base = app.operator.base.clone();
    page_is("page_login", &browser.open(format!("{base}/login")).await);
    page_is("page_no_way_in", &browser.open(format!("{base}/login?tenant=acme")).await);
    acme.connect_to(&issuer).await;
    let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await;
    let tokens = module.redeem(&app, &page.parameter("code").expect("a code")).await.expect(200);
    json_is("id_token_claims", &claims(&text(&tokens, "id_token")));
    json_is("tokens_of_a_module", &tokens);
    let signed_in = browser.open(format!("{base}/login?tenant=acme")).await;
    page_is("page_signed_in", &signed_in);
    page_is("page_sign_out", &browser.open(format!("{base}/oauth2/logout")).await);
    // The provider forgets to say which request it answers.
    issuer.misbehave(|mischief| {
        mischief.answer = Some(Box::new(|answer| answer.retain(|(name, _)| name != "state")))
    });
    let other = json!({"type": "oidc", "name": "Subsidiary", "issuer": "https://idp.example", "clientId": "c2", "clientSecret": "s"});
    let failed = Browser::default().open(module.authorize(&app, &[("tenant", "acme")])).await;
    page_is("page_sign_in_failed", &failed);
    connect(&acme, other).await;
    page_is("page_choose", &Browser::default().open(module.authorize(&app, &[("tenant", "acme")])).await);
    let sign_ins = acme.admin.get("/api/v1/tenants/acme/sign-ins").await.expect(200);
    json_is("sign_in_trace", sign_ins["items"].as_array().and_then(|all| all.last()).expect("a sign-in"));
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn an_account_that_somebody_has_to_prove() {
    let (app, issuer) = (TestApp::start().await, Issuer::start());
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    acme.connect_to(&issuer).await;
    let invite = json!({"email": "alice@corp.example", "role": "admin"});
    acme.admin.post("/api/v1/tenants/acme/invitations", invite).await.expect(201);
    let token = app.invitation_token("alice@corp.example").await;
    let mut browser = Browser::default();
    let invitation = browser.open(format!("{}/invitations/accept?token={token}", app.operator.base)).await;
    page_is("page_invitation", &invitation);
    page_is("page_invitation_accepted", &browser.submit(&invitation, &[("displayName", "Alice")]).await);
    page_is(
        "page_invitation_over",
        &browser.open(format!("{}/invitations/accept?token={token}", app.operator.base)).await,
    );
    let mut mallory = Browser::default();
    let asked: Page = mallory.open(module.authorize(&app, &[("tenant", "acme")])).await;
    page_is("page_proof", &asked);
    mail_is(&app, "account-proof").await;
    page_is("page_proof_wrong", &mallory.submit(&asked, &[("code", "000000")]).await);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn joining_and_operating() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    crate::strangers::let_join(&app, &acme, "acme.example").await;
    let mut browser = Browser::default();
    let base = app.operator.base.clone();
    let page = browser.open(format!("{base}/join?tenant=acme")).await;
    page_is("page_join", &page);
    page_is("page_joined", &browser.submit(&page, &[("email", "zoe@acme.example")]).await);
    page_is("page_operator_login", &browser.open(format!("{base}/operator/login")).await);
    page_is("page_enrollment_over", &browser.open(format!("{base}/operator/enroll?token=none")).await);
    app.stop().await;
}
