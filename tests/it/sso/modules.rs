//! Relying parties as they are: npm openid-client, and Debian's mod_auth_openidc.

use serde_json::json;
use tests::{Browser, OidcProvider, Part, TestApp};

use super::*;

#[actix_web::test]
async fn openid_client_goes_through_everything() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    oidc_connection(&op, &acme, json!({})).await;
    for par in [false, true] {
        let arguments = ["rp.mjs", &app.operator.base, &module.id, &module.secret, CALLBACK];
        let settings: &[(&str, &str)] =
            if par { &[("TENANT", "acme"), ("PAR", "1")] } else { &[("TENANT", "acme")] };
        let mut party = Part::run("node", &arguments, settings).await;
        let mut browser = Browser::default();
        let page = browser.open(text(&party.said, "url")).await;
        let page = browser.at_oidc_provider(page, "alice").await;
        party.tell(&json!({"url": page.url.as_str()})).await;
        let done = party.next().await;
        assert_eq!(
            (&done["userinfo"]["email"], &done["active"]),
            (&json!("alice@corp.example"), &json!(true))
        );
        assert_eq!(done["claims"]["tenant_id"], acme.id.as_str());
        assert_eq!(done["wrong"], "OAUTH_INVALID_RESPONSE");
        for reused in ["reuse", "family", "code"] {
            assert_eq!(done[reused], "invalid_grant", "{reused}");
        }
        let page = browser.open(text(&done, "end")).await.expect(200);
        assert!(page.text.contains("You are signed out"));
    }
    app.stop().await;
}

#[actix_web::test]
async fn mod_auth_openidc_lets_people_in() {
    let (app, op) = (TestApp::start().await, OidcProvider::start().await);
    let acme = app.tenant("acme").await;
    let port = tests::free_port().to_string();
    let callback = format!("http://127.0.0.1:{port}/cb");
    let module = module(&app, "site", json!({"redirectUris": [callback]})).await;
    oidc_connection(&op, &acme, json!({})).await;
    let arguments = [app.operator.base.as_str(), &module.id, &module.secret, &port, "acme"];
    let _apache = Part::run("./mod_auth_openidc.sh", &arguments, &[]).await;
    let site = format!("http://127.0.0.1:{port}/");
    tests::eventually("Apache", async || {
        tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.ok()
    })
    .await;
    let mut browser = Browser::default();
    let page = browser.open(&site).await;
    let page = browser.at_oidc_provider(page, "alice").await.expect(200);
    assert_eq!(page.url.as_str(), site);
    assert_eq!(
        (page.text.trim(), &page.headers["x-email"]),
        ("hello", &"alice@corp.example".parse().unwrap())
    );
    let users = acme.admin.get("/api/v1/tenants/acme/users").await.expect(200);
    assert_eq!(page.headers["x-sub"], users["items"][0]["id"].as_str().unwrap());
    app.stop().await;
}
