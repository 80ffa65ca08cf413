//! What modules and gateways get: tokens, their claims, and what the issuer says of itself.

use tests::{Issuer, TestApp};

use super::{answer_is, json_is};
use crate::sso::{claims, text};

#[actix_web::test]
async fn an_exchange_and_its_tokens() {
    let (app, issuer) = (TestApp::start().await, Issuer::start());
    issuer.register(&app.operator).await;
    app.tenant("acme").await;
    let done = app.operator.exchange(&issuer.token("ann", "org_acme")).await;
    answer_is("exchange", &done);
    let done = done.json();
    let token = text(&done, "token");
    json_is("access_token_claims", &claims(&token));
    answer_is("introspection", &app.operator.form("/oauth2/introspect", &[("token", &token)]).await);
    answer_is("userinfo", &app.anyone().with(token).get("/oauth2/userinfo").await);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*text(&done, "refreshToken"))];
    answer_is("refreshed", &app.anyone().form("/oauth2/token", &form).await);
    answer_is("refresh_refused", &app.anyone().form("/oauth2/token", &form).await);
    answer_is("exchange_refused", &app.operator.exchange("no.token.atall").await);
    answer_is("openid_configuration", &app.anyone().get("/.well-known/openid-configuration").await);
    answer_is("jwks", &app.anyone().get("/oauth2/jwks").await);
    issuer.stop().await;
    app.stop().await;
}
