//! SAML over HTTP: the way there and back, in this browser, by this connection, once.

use chrono::TimeDelta;
use saml_core::{Direction, Logout};
use serde_json::{Value, json};
use tests::saml::{AES_GCM, Mint, OAEP, Pair, idp_metadata, shared_pair};
use tests::{Browser, Receiver, Tenant, TestApp};

use super::*;

pub(crate) const IDP: &str = "https://idp.example/entity";
const SSO: &str = "https://idp.example/sso";

/// A SAML connection whose provider is played here.
pub(crate) struct Corp {
    pub(crate) connection: Connection,
    pub(crate) idp: Pair,
}

pub(crate) async fn corp(tenant: &Tenant, more: Value) -> Corp {
    let idp = shared_pair("idp");
    let mut body = json!({"type": "saml", "name": "Corp", "metadataXml": idp_metadata(IDP, SSO, &[&idp])});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    Corp { connection: connect(tenant, body).await, idp }
}

impl Corp {
    fn id(&self) -> String {
        self.connection.id.clone()
    }

    pub(crate) fn mint(&self, app: &TestApp, request_id: Option<&str>) -> Mint {
        let (audience, acs) = (self.connection.entity_id(), self.connection.acs_url());
        Mint::new(IDP, audience, acs, request_id, app.clock.now())
    }

    /// Begins in a browser, up to the provider; answers the request's ID.
    pub(crate) async fn begin(&self, app: &TestApp, browser: &mut Browser, module: &Module) -> String {
        browser.stops.push("https://idp.example/".to_owned());
        let page =
            browser.open(module.authorize(app, &[("connection", &self.id()), ("prompt", "login")])).await;
        let request =
            page.parameter("SAMLRequest").unwrap_or_else(|| panic!("no request: {} {}", page.url, page.text));
        assert!(page.parameter("Signature").is_some(), "requests are signed");
        let xml = saml_core::from_redirect(&request).unwrap();
        let at = xml.find(" ID=\"").unwrap() + 5;
        xml[at..at + xml[at..].find('"').unwrap()].to_owned()
    }

    /// Posts a response in a browser.
    pub(crate) async fn answer(&self, browser: &mut Browser, xml: &str) -> Page {
        let fields = [("SAMLResponse".to_owned(), saml_core::to_post(xml))];
        browser.post(self.connection.acs_url(), &fields).await
    }
}

async fn reason(app: &TestApp, page: &Page) -> String {
    let code = page.code().unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
    let found = app.operator.sign_in(&code).await;
    found.reason.unwrap_or_default()
}

async fn stage() -> (TestApp, Tenant, Corp, Module) {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let (corp, module) = (corp(&acme, json!({})).await, module(&app, "app", json!({})).await);
    (app, acme, corp, module)
}

#[actix_web::test]
async fn a_person_signs_in_by_saml() {
    let (app, acme, corp, module) = stage().await;
    assert_eq!(corp.connection.status, "active");
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let page = corp.answer(&mut browser, &corp.mint(&app, Some(&request)).xml(&corp.idp)).await;
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").expect("a code")).await.found();
    let id = claims(tokens.id());
    assert_eq!(
        (&id["email"], &id["name"], &id["tenant_id"]),
        (&json!("alice@corp.example"), &json!("Alice"), &json!(acme.id))
    );

    // Encrypted for the key of our metadata.
    let metadata = app.anyone().get(corp.connection.metadata_url()).await;
    assert_eq!(metadata.header("content-type"), "application/samlmetadata+xml");
    let at = metadata.text.rfind("<ds:X509Certificate>").expect("a certificate") + 20;
    let certificate = metadata.text[at..at + metadata.text[at..].find('<').unwrap()].to_owned();
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let encrypt = Some((certificate.clone(), AES_GCM.to_owned(), OAEP.to_owned()));
    let xml = Mint { encrypt: encrypt.clone(), ..corp.mint(&app, Some(&request)) }.xml(&corp.idp);
    assert!(corp.answer(&mut browser, &xml).await.parameter("code").is_some());
    // Our key is changed: what is encrypted for the last one still opens.
    let rotate = acme.path(&format!("connections/{}/rotate-key", corp.id()));
    acme.admin.post(&rotate, json!({})).await.expect(200);
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let xml = Mint { encrypt, ..corp.mint(&app, Some(&request)) }.xml(&corp.idp);
    assert!(corp.answer(&mut browser, &xml).await.parameter("code").is_some());
    assert!(!app.anyone().get(corp.connection.metadata_url()).await.text.contains(&format!("use=\"encryption\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{certificate}")));
    app.stop().await;
}

#[actix_web::test]
async fn a_response_counts_once_in_the_browser_that_asked() {
    let (app, _, corp, module) = stage().await;
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let xml = corp.mint(&app, Some(&request)).xml(&corp.idp);
    // A victim's browser into which an attacker puts their own response.
    let page = corp.answer(&mut Browser::default(), &xml).await.refused("sso.browser_other");
    assert_eq!(reason(&app, &page).await, "sign_in.browser_other");
    let page = corp.answer(&mut browser, &xml).await.refused("sso.state_unknown");
    // What answers nothing has a trace too, and so has what is no response.
    assert_eq!(reason(&app, &page).await, "sign_in.state_unknown");
    let page = corp.answer(&mut browser, "<!DOCTYPE x><x/>").await.refused("sso.refused");
    assert_eq!(reason(&app, &page).await, "saml.xml_refused");
    // The same assertion for another request of the same browser: refused for its request, before it is looked up.
    let request = corp.begin(&app, &mut browser, &module).await;
    let mint = corp.mint(&app, Some(&request));
    assert!(corp.answer(&mut browser, &mint.xml(&corp.idp)).await.parameter("code").is_some());
    let request = corp.begin(&app, &mut browser, &module).await;
    let replayed = Mint { assertion_id: mint.assertion_id.clone(), ..corp.mint(&app, Some(&request)) };
    let page = corp.answer(&mut browser, &replayed.xml(&corp.idp)).await.refused("sso.refused");
    assert_eq!(reason(&app, &page).await, "saml.replayed");
    // Twice in the form, not base64, nothing at all, too much.
    let acs = corp.connection.acs_url().to_owned();
    let field = |value: &str| ("SAMLResponse".to_owned(), value.to_owned());
    browser.post(&acs, &[field("x"), field("y")]).await.refused("validation.failed");
    browser.post(&acs, &[field("%%%")]).await.refused("sso.refused");
    browser.post(&acs, &[]).await.refused("validation.failed");
    assert_eq!(browser.post(&acs, &[field(&"A".repeat(600_000))]).await.status, 413);
    app.stop().await;
}

#[actix_web::test]
async fn nothing_of_one_tenants_provider_counts_for_another() {
    let (app, _, corp, module) = stage().await;
    let other = app.tenant("other").await;
    // The same provider with the same certificate and the same entity id, at two tenants.
    let theirs = super::saml::corp(&other, json!({})).await;
    assert_ne!(corp.connection.entity_id(), theirs.connection.entity_id());
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let xml = corp.mint(&app, Some(&request)).xml(&corp.idp);
    // Acme's response at the other's door: no such request there.
    theirs.answer(&mut browser, &xml).await.refused("sso.state_unknown");
    // Acme's audience and addresses in an answer to the other's request.
    let request = theirs.begin(&app, &mut browser, &module).await;
    let crossed = corp.mint(&app, Some(&request));
    let page = theirs.answer(&mut browser, &crossed.xml(&corp.idp)).await.refused("sso.refused");
    assert_eq!(reason(&app, &page).await, "saml.destination_wrong");
    let request = theirs.begin(&app, &mut browser, &module).await;
    let page_url = theirs.connection.acs_url().to_owned();
    let crossed = Mint { acs: page_url, ..corp.mint(&app, Some(&request)) };
    let page = theirs.answer(&mut browser, &crossed.xml(&corp.idp)).await.refused("sso.refused");
    assert_eq!(reason(&app, &page).await, "saml.audience_wrong");
    // Everything that could be swapped in the step after.
    let request = corp.begin(&app, &mut browser, &module).await;
    browser.stops.push(format!("{}/sso/saml/", app.operator.base));
    let page = corp.answer(&mut browser, &corp.mint(&app, Some(&request)).xml(&corp.idp)).await;
    browser.stops.retain(|stop| !stop.contains("/sso/saml/"));
    let swapped = page.url.as_str().replace(&corp.id(), &theirs.id());
    browser.open(swapped).await.refused("sso.state_unknown");
    Browser::default().open(page.url.as_str()).await.refused("sso.browser_other");
    app.stop().await;
}

#[actix_web::test]
async fn the_provider_begins_only_where_that_is_allowed() {
    let (app, acme, corp, _) = stage().await;
    let unsolicited = |corp: &Corp| corp.mint(&app, None).xml(&corp.idp);
    let page = corp.answer(&mut Browser::default(), &unsolicited(&corp)).await.refused("sso.refused");
    assert_eq!(reason(&app, &page).await, "saml.unsolicited");
    let one = acme.path(&format!("connections/{}", corp.id()));
    acme.admin.patch(&one, json!({"allowIdpInitiated": true})).await.expect(200);
    let mut browser = Browser::default();
    let xml = unsolicited(&corp);
    let mut fields = vec![("SAMLResponse".to_owned(), saml_core::to_post(&xml))];
    // Where the provider wants to send the browser on counts for nothing.
    fields.push(("RelayState".to_owned(), "https://evil.example/".to_owned()));
    let page = browser.post(corp.connection.acs_url(), &fields).await.expect(200);
    assert!(page.text.contains("You are signed in to acme"), "{}", page.text);
    let page = corp.answer(&mut Browser::default(), &xml).await.refused("sso.refused");
    assert_eq!(reason(&app, &page).await, "saml.replayed");
    app.stop().await;
}

#[actix_web::test]
async fn metadata_is_fetched_when_it_is_needed_and_again_when_the_key_changes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    let site = Receiver::start();
    let (idp, next) = (shared_pair("idp"), shared_pair("next"));
    site.say(idp_metadata(IDP, SSO, &[&idp]));
    let body = json!({"type": "saml", "name": "Corp", "metadataUrl": format!("{}/metadata", site.url)});
    let corp = Corp { connection: connect(&acme, body).await, idp };
    assert!(site.all().is_empty(), "creating a connection contacts nobody");
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let page = corp.answer(&mut browser, &corp.mint(&app, Some(&request)).xml(&corp.idp)).await;
    assert!(page.parameter("code").is_some(), "{}", page.text);
    assert_eq!(site.all().len(), 1);
    // The provider changes its certificate: the first response by the new one asks for the metadata again, once a minute.
    site.say(idp_metadata(IDP, SSO, &[&next]));
    app.clock.advance(TimeDelta::seconds(90));
    let request = corp.begin(&app, &mut browser, &module).await;
    let page = corp.answer(&mut browser, &corp.mint(&app, Some(&request)).xml(&next)).await;
    assert!(page.parameter("code").is_some(), "{}", page.text);
    assert_eq!(site.all().len(), 2);
    let request = corp.begin(&app, &mut browser, &module).await;
    let page =
        corp.answer(&mut browser, &corp.mint(&app, Some(&request)).xml(&shared_pair("stranger"))).await;
    page.refused("sso.refused");
    assert_eq!(site.all().len(), 2, "strangers make nobody fetch");
    // Metadata without a signing certificate: nobody comes in.
    let broken = idp_metadata(IDP, SSO, &[]);
    acme.admin
        .post(&acme.path("connections"), json!({"type": "saml", "name": "x", "metadataXml": broken}))
        .await
        .refused(400, "validation.failed");
    let bare = json!({"type": "saml", "name": "x", "entityId": IDP, "ssoUrl": SSO, "certificates": []});
    let bare = connect(&acme, bare).await;
    assert_eq!(bare.status, "incomplete");
    Browser::default()
        .open(module.authorize(&app, &[("connection", &bare.id)]))
        .await
        .refused("connection.incomplete");
    app.stop().await;
    site.stop().await;
}

/// Since when somebody has come in by a connection, and what its provider is called.
async fn proven(app: &TestApp, acme: &Tenant, corp: &Corp) -> (bool, Option<String>) {
    use entity::connections::connection;
    use sea_orm::{ColumnTrait, QueryFilter};
    let id: uuid::Uuid = corp.id().parse().unwrap();
    let find = async |view: &platform::View| {
        view.one(view.select::<connection::Entity>().filter(connection::Column::Id.eq(id))).await
    };
    let tenant = acme.id.parse().unwrap();
    let row = app.running.service.db.read(tenant, find).await.unwrap().unwrap();
    (row.state().is_proven(), row.issuer)
}

#[actix_web::test]
async fn metadata_of_another_entity_are_another_providers() {
    const OTHER: &str = "https://other.example/entity";
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let module = module(&app, "app", json!({})).await;
    let (site, elsewhere) = (Receiver::start(), Receiver::start());
    let idp = shared_pair("idp");
    site.say(idp_metadata(IDP, SSO, &[&idp]));
    elsewhere.say(idp_metadata(OTHER, SSO, &[&idp]));
    // The first answer takes its time.
    let slow = tests::Proxy::start(&site.url);
    let body = json!({"type": "saml", "name": "Corp", "metadataUrl": format!("{}/metadata", site.url)});
    let corp = Corp { connection: connect(&acme, body).await, idp };
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let page = corp.answer(&mut browser, &corp.mint(&app, Some(&request)).xml(&corp.idp)).await;
    assert!(page.parameter("code").is_some(), "{}", page.text);
    assert_eq!(proven(&app, &acme, &corp).await, (true, Some(IDP.to_owned())));
    // A day later it calls itself otherwise.
    site.say(idp_metadata(OTHER, SSO, &[&corp.idp]));
    app.clock.advance(TimeDelta::hours(25));
    corp.begin(&app, &mut Browser::default(), &module).await;
    assert_eq!(proven(&app, &acme, &corp).await, (false, Some(OTHER.to_owned())));
    // What was asked for before an admin pointed it elsewhere comes too late.
    let one = acme.path(&format!("connections/{}", corp.id()));
    site.say(idp_metadata(IDP, SSO, &[&corp.idp]));
    let from = json!({"metadataUrl": format!("{}/metadata", slow.url)});
    acme.admin.patch(&one, from).await.expect(200);
    slow.upset(1, tests::Mishap::Slow);
    let test = format!("{one}/test");
    let asked = acme.admin.post(&test, json!({}));
    let pointed = async {
        tests::eventually("the question", async || (slow.count() == 1).then_some(())).await;
        let to = json!({"metadataUrl": format!("{}/metadata", elsewhere.url)});
        acme.admin.patch(&one, to).await.expect(200);
    };
    futures_util::future::join(asked, pointed).await;
    assert_eq!(acme.admin.get(&one).await.expect(200)["provider"], Value::Null);
    acme.admin.post(&test, json!({})).await.expect(200);
    assert_eq!(proven(&app, &acme, &corp).await.1, Some(OTHER.to_owned()));
    app.stop().await;
    site.stop().await;
    elsewhere.stop().await;
    slow.stop().await;
}

#[actix_web::test]
async fn the_provider_signs_people_out() {
    let (app, _, corp, module) = stage().await;
    let mut browser = Browser::default();
    let request = corp.begin(&app, &mut browser, &module).await;
    let page = corp.answer(&mut browser, &corp.mint(&app, Some(&request)).xml(&corp.idp)).await;
    let tokens: Tokens = module.redeem(&app, &page.parameter("code").unwrap()).await.found();
    let access = tokens.access_token.clone();
    let slo = corp.connection.slo_url().to_owned();
    let signer = |pair: &Pair| saml_core::Signer::new(&pair.pem, &tests::saml::certificate(pair)).unwrap();
    let message = |id: &str| {
        let logout = Logout { id, issuer: IDP, destination: &slo, now: app.clock.now() };
        logout.request("alice@corp.example", None, Some("_s1"))
    };
    let send = |xml: &str, pair: Option<&Pair>| {
        let signer = pair.map(signer);
        saml_core::to_redirect(&slo, Direction::Request, xml, Some("relay"), signer.as_ref()).unwrap()
    };
    // Unsigned, by a stranger, altered: nobody is signed out.
    browser.open(send(&message("_l1"), None)).await.refused("sso.refused");
    browser.open(send(&message("_l2"), Some(&shared_pair("stranger")))).await.refused("sso.refused");
    browser
        .open(send(&message("_l3"), Some(&corp.idp)).replace("RelayState=relay", "RelayState=other"))
        .await
        .refused("sso.refused");
    assert!(module.active(&app, &access).await);
    let page = browser.open(send(&message("_l4"), Some(&corp.idp))).await;
    assert!(page.url.as_str().starts_with("https://idp.example/sso/slo?SAMLResponse="), "{}", page.url);
    assert!(!module.active(&app, &access).await);
    browser.open(send(&message("_l4"), Some(&corp.idp))).await.refused("sso.token_refused");
    // A bomb in a query stops at what is taken.
    let bomb = saml_core::to_redirect(&slo, Direction::Request, &"x".repeat(2_000_000), None, None).unwrap();
    let page = browser.open(bomb).await;
    assert!(page.status.is_client_error(), "{}", page.status);
    app.stop().await;
}
