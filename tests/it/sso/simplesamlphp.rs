//! SimpleSAMLphp, a second SAML identity provider: another language, another library, other habits.

use serde_json::json;
use tests::{Browser, Part, TestApp};

use super::*;

#[actix_web::test]
async fn simplesamlphp_signs_people_in_plain_and_encrypted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    for encrypted in [false, true] {
        let port = tests::free_port().to_string();
        let metadata = format!("http://127.0.0.1:{port}/saml2/idp/metadata.php");
        let body = json!({"type": "saml", "name": "PHP", "metadataUrl": metadata, "attributeMapping": {"groups": "groups"}});
        let connection = connect(&acme, body).await;
        let ours = app.anyone().get(connection.metadata_url()).await.text;
        let at = ours.rfind("<ds:X509Certificate>").unwrap() + 20;
        let certificate = &ours[at..at + ours[at..].find('<').unwrap()];
        let file = app.store.directory.path().join(format!("sp-{port}.pem"));
        let lines: Vec<&str> =
            certificate.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        std::fs::write(&file, pem).unwrap();
        let (sp, acs, slo) = (
            connection.entity_id().to_owned(),
            connection.acs_url().to_owned(),
            connection.slo_url().to_owned(),
        );
        let mut arguments = vec![port.as_str(), &sp, &acs, &slo];
        if encrypted {
            arguments.push(file.to_str().unwrap());
        }
        let _php = Part::run("./simplesamlphp.sh", &arguments, &[]).await;
        tests::eventually("PHP", async || {
            tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.ok()
        })
        .await;
        let mut browser = Browser::default();
        let id = connection.id;
        let page = browser.open(module.authorize(&app, &[("connection", &id)])).await.expect(200);
        let page =
            browser.submit(&page, &[("username", "alice"), ("password", "alicepass")]).await.expect(200);
        let page = browser.submit(&page, &[]).await;
        let Some(code) = page.parameter("code") else {
            let trace = acme.admin.get("/api/v1/tenants/acme/sign-ins?limit=1").await.text;
            panic!("encrypted {encrypted}: {} {trace}", page.url);
        };
        let tokens: Tokens = module.redeem(&app, &code).await.found();
        assert_eq!(claims(tokens.id())["email"], "alice@corp.example");
        // One at a time: the next one's Alice is another connection's.
        acme.admin.delete(&acme.path(&format!("connections/{id}"))).await;
        let user = claims(tokens.id())["sub"].as_str().unwrap().to_owned();
        acme.admin
            .patch(&format!("/api/v1/tenants/acme/users/{user}"), json!({"displayName": "Alice"}))
            .await
            .expect(200);
        prove_once(&app, &acme).await;
    }
    app.stop().await;
}

/// Acme proves its domain, so that the second provider's Alice is the first one's.
async fn prove_once(app: &TestApp, acme: &tests::Tenant) {
    let domains = acme.admin.get(&acme.path("domains")).await.expect(200);
    if domains["items"] == json!([]) {
        prove_domain(app, acme, "corp.example").await;
    }
}
