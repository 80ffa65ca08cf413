//! Keycloak, as OpenID Provider and as SAML identity provider.

use serde_json::json;
use tests::{Browser, ConnectionTest, Keycloak, TestApp};

use super::*;

#[actix_web::test]
async fn keycloak_signs_in_by_openid_connect_and_ends_sessions() {
    let (app, keycloak) = (TestApp::start().await, Keycloak::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    let body = json!({"type": "oidc", "name": "Keycloak", "issuer": keycloak.issuer(), "clientId": "tenantry", "clientSecret": "s3cret"});
    let connection = connect(&acme, body).await;
    let client = json!({
        "clientId": "tenantry", "secret": "s3cret", "redirectUris": [connection.redirect_uri], "publicClient": false,
        "attributes": {
            "pkce.code.challenge.method": "S256", "backchannel.logout.url": connection.backchannel_logout_uri,
            "backchannel.logout.session.required": "true",
        },
    });
    keycloak.post("clients", client).await.expect(201);
    let test = acme.path(&format!("connections/{}/test", connection.id));
    assert!(acme.admin.post(&test, json!({})).await.found::<ConnectionTest>().ok);
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await;
    let page = keycloak.sign_in(&mut browser, page).await;
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").expect("a code")).await.found();
    let id = claims(tokens.id());
    assert_eq!((&id["email"], &id["name"]), (&json!("alice@corp.example"), &json!("Alice Doe")));
    // Keycloak ends its sessions and says so: ours end too.
    assert!(module.active(&app, &tokens.access_token).await);
    keycloak.log_alice_out().await;
    tests::eventually("the back-channel logout", async || {
        (!module.active(&app, &tokens.access_token).await).then_some(())
    })
    .await;
    // Keycloak begins to sign with a new key: the first token by it makes the set be asked for again, at once.
    let provider = json!({
        "name": "new", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
        "config": {"priority": ["1000"], "algorithm": ["RS256"]},
    });
    keycloak.post("components", provider).await.expect(201);
    let page = browser.open(module.authorize(&app, &[("tenant", "acme"), ("prompt", "login")])).await;
    let page = keycloak.sign_in(&mut browser, page).await;
    assert!(page.parameter("code").is_some(), "{}", page.text);
    app.stop().await;
}

#[actix_web::test]
async fn keycloak_signs_in_by_saml_signed_and_encrypted() {
    let (app, keycloak) = (TestApp::start().await, Keycloak::start().await);
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({"postLogoutRedirectUris": ["https://app.example/bye"]})).await;
    let metadata = format!("{}/protocol/saml/descriptor", keycloak.issuer());
    let body = json!({"type": "saml", "name": "Keycloak", "metadataUrl": metadata});
    let connection = connect(&acme, body).await;
    // Keycloak reads our metadata as it is, and verifies our requests by the certificate in it.
    let ours = app.anyone().get(connection.metadata_url()).await.text;
    let mut client = keycloak.read_metadata(&ours).await;
    assert_eq!(client["clientId"], connection.entity_id());
    for (name, value) in [
        ("saml.client.signature", "true"),
        ("saml.assertion.signature", "true"),
        ("saml.server.signature", "false"),
        ("saml.encrypt", "false"),
        ("saml_name_id_format", "persistent"),
    ] {
        client["attributes"][name] = json!(value);
    }
    client["protocolMappers"] = json!([{
        "name": "email", "protocol": "saml", "protocolMapper": "saml-user-property-mapper",
        "config": {"user.attribute": "email", "attribute.name": "email", "attribute.nameformat": "Basic"},
    }]);
    let made = keycloak.post("clients", client.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let location = made.header("location").to_owned();
    let mut seen = Vec::new();
    let layouts: [(&str, &[(&str, &str)]); 4] = [
        ("the assertion signed", &[]),
        ("both signed", &[("saml.server.signature", "true")]),
        (
            "encrypted",
            &[
                ("saml.encrypt", "true"),
                ("saml.encryption.algorithm", "http://www.w3.org/2009/xmlenc11#aes256-gcm"),
                ("saml.encryption.keyAlgorithm", "http://www.w3.org/2009/xmlenc11#rsa-oaep"),
                ("saml.encryption.digestMethod", "http://www.w3.org/2001/04/xmlenc#sha256"),
                ("saml.encryption.maskGenerationFunction", "http://www.w3.org/2009/xmlenc11#mgf1sha256"),
                ("saml.server.signature", "false"),
            ],
        ),
        (
            "encrypted by CBC under a signature",
            &[
                ("saml.encryption.algorithm", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"),
                ("saml.server.signature", "true"),
            ],
        ),
    ];
    for (what, changes) in layouts {
        for (name, value) in changes {
            client["attributes"][*name] = json!(value);
        }
        keycloak.update(&location, client.clone()).await;
        let mut browser = Browser::default();
        let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await;
        let page = keycloak.sign_in(&mut browser, page).await;
        let Some(code) = page.parameter("code") else {
            let trace = acme.admin.get("/api/v1/tenants/acme/sign-ins?limit=1").await.text;
            panic!("{what}: {} {trace}", page.url);
        };
        let tokens: Tokens = module.redeem(&app, &code).await.found();
        let id = claims(tokens.id());
        assert_eq!(id["email"], "alice@corp.example", "{what}");
        seen.push(id["sub"].clone());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "one person, however the assertion was packed");
    // Requests by POST, signed within; and signing out here signs out there.
    let one = acme.path(&format!("connections/{}", connection.id));
    acme.admin.patch(&one, json!({"requestBinding": "post", "signOutUpstream": true})).await.expect(200);
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await.expect(200);
    assert!(page.text.contains("name=\"SAMLRequest\""), "{}", page.text);
    let page = browser.submit(&page, &[]).await;
    let page = keycloak.sign_in(&mut browser, page).await;
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").expect("a code")).await.found();
    let hint = tokens.id().to_owned();
    let bye = "https://app.example/bye";
    let end =
        format!("{}/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={bye}", app.operator.base);
    let page = browser.open(end).await;
    let page = keycloak.go_on(&mut browser, page).await;
    assert_eq!(page.url.as_str(), bye, "{}", page.text);
    let page = browser.open(module.authorize(&app, &[("tenant", "acme")])).await.expect(200);
    let page = browser.submit(&page, &[]).await;
    assert!(page.text.contains("kc-form-login"), "Keycloak asks again: {}", page.url);
    app.stop().await;
}
