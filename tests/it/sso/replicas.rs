//! Two replicas on one store: what one hands out the other takes, and what one took the other doesn't.

use serde_json::json;
use tests::{Browser, OidcProvider, TestApp};

use super::*;

#[actix_web::test]
async fn two_replicas_share_codes_sessions_replays_and_keys() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let (other, running) = app.replica().await;
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let user = acme
        .scim
        .post("/scim/v2/Users", json!({"userName": "alice@corp.example", "externalId": "alice"}))
        .await
        .created_id();
    let mut browser = Browser::default();
    let page = sign_in(&app, &mut browser, &module, &acme, "alice").await;
    let code = page.parameter("code").unwrap();
    // A code of one, changed by the other; a second time by nobody.
    let form = |code: &str| {
        [
            ("grant_type", "authorization_code".to_owned()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
            ("client_id", module.id.clone()),
            ("client_secret", module.secret.clone()),
            ("code", code.to_owned()),
        ]
    };
    let post = async |client: &tests::Client, path: &str, form: &[(&str, String)]| {
        let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.anonymous().form(path, &pairs).await
    };
    let tokens: Tokens = post(&other, "/oauth2/token", &form(&code)).await.found();
    let access = &tokens.access_token;
    let look = |token: &str| {
        [
            ("token", token.to_owned()),
            ("client_id", module.id.clone()),
            ("client_secret", module.secret.clone()),
        ]
    };
    for replica in [&app.operator, &other] {
        assert!(post(replica, "/oauth2/introspect", &look(access)).await.found::<Introspection>().active);
        assert_eq!(
            replica.anonymous().with(access.clone()).get("/oauth2/userinfo").await.expect(200)["sub"],
            user
        );
    }
    // The browser's session is known to both.
    let there = module.authorize_at(&format!("{}/oauth2/authorize", other.base), &[("prompt", "none")]);
    let cookie = browser.cookie(&app.operator.base, "tnt_session").unwrap();
    let reply = tests::Reply::read(
        other
            .anonymous()
            .request(reqwest::Method::GET, &there)
            .header("cookie", format!("tnt_session={cookie}")),
    )
    .await;
    assert!(reply.header("location").contains("code="), "{} {}", reply.status, reply.header("location"));
    // A refresh token used at one is used up at the other; of many at once one wins.
    let refresh = |token: &str| {
        [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", token.to_owned()),
            ("client_id", module.id.clone()),
            ("client_secret", module.secret.clone()),
        ]
    };
    let mine = refresh(tokens.refresh());
    let both = futures_util::future::join(
        post(&app.operator, "/oauth2/token", &mine),
        post(&other, "/oauth2/token", &mine),
    )
    .await;
    let won = [both.0.status, both.1.status].iter().filter(|status| status.as_u16() == 200).count();
    assert!(won <= 1, "both won");
    // An assertion that one took the other refuses, whoever gets it first.
    let corp = saml::corp(&acme, json!({"allowIdpInitiated": true})).await;
    let response = corp.mint(&app, None).xml(&corp.idp);
    let acs = corp.connection.acs_url().replace(&app.operator.base, "");
    let fields = [("SAMLResponse", saml_core::to_post(&response))];
    let (one, two) =
        futures_util::future::join(post(&app.operator, &acs, &fields), post(&other, &acs, &fields)).await;
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403], "{} {}", one.text, two.text);
    // A token minted by a key that the other never saw made: it is read from the store.
    let page = browser.open(module.authorize(&app, &[("tenant", "acme"), ("prompt", "login")])).await;
    let page = browser.at_oidc_provider(page, "alice").await;
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").unwrap()).await.found();
    // Deactivated through one: out at the other at once.
    let off = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
    acme.scim.patch(&format!("/scim/v2/Users/{user}"), off).await.expect(200);
    assert!(
        !post(&other, "/oauth2/introspect", &look(&tokens.access_token))
            .await
            .found::<Introspection>()
            .active
    );
    assert_eq!(post(&other, "/oauth2/token", &refresh(tokens.refresh())).await.status, 400);
    running.stop().await;
    app.stop().await;
}
