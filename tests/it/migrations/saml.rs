//! People of the version before come again by SAML: as who they were, or once with a code.

use serde_json::json;
use tests::saml::{Mint, shared_pair};
use tests::{Browser, Page, TestApp};

use super::rows::*;
use super::world::*;

const IDP: &str = "https://idp.example/entity";
/// A connection that nobody has changed, and one that was changed since its people were linked.
const TOLD: u128 = 0xd1;
const UNTOLD: u128 = 0xd2;

/// A connection to the provider that is played here; it also takes answers to no request.
fn connection(number: u128) -> Row {
    let settings = json!({
        "attributeMapping": {}, "requestBinding": "redirect", "allowIdpInitiated": true, "forceAuthn": false,
        "signOutUpstream": false,
    });
    let provider = json!({
        "entityId": IDP, "ssoRedirect": "https://idp.example/sso", "ssoPost": null, "sloRedirect": null, "sloPost": null,
        "certificates": [shared_pair("idp").certificate], "validUntil": null,
    });
    let saml = vec![
        ("type", "saml".into()),
        ("settings", settings.into()),
        ("provider", provider.into()),
        ("provider_at", days_ago(1).into()),
        ("client_secret", None::<Vec<u8>>.into()),
    ];
    with(oidc(ACME, number, (IDP, "saml")), saml)
}

fn key(number: u128) -> Row {
    let (pair, key) = (shared_pair("ours"), id(0x100 + number));
    vec![
        ("tenant_id", ACME.0.into()),
        ("connection_id", id(number).into()),
        ("id", key.into()),
        ("private_key", seal("connection_key", key, pair.pem.as_bytes()).into()),
        ("certificate", pair.certificate.into()),
        ("created_at", days_ago(30).into()),
        ("expires_at", days_ago(-900).into()),
    ]
}

/// Somebody comes by a connection, with an answer that the provider sends by itself.
async fn come(app: &TestApp, browser: &mut Browser, connection: u128, name: &str) -> Page {
    let base = format!("{}/sso/saml/{}", app.operator.base, id(connection));
    let acs = format!("{base}/acs");
    let mint = Mint::new(IDP, &format!("{base}/metadata"), &acs, None, app.clock.now());
    let xml = Mint { name_id: name.to_owned(), ..mint }.xml(&shared_pair("idp"));
    browser.post(&acs, &[("SAMLResponse".to_owned(), saml_core::to_post(&xml))]).await
}

fn is_signed_in(app: &TestApp, browser: &Browser) -> bool {
    browser.cookie(&app.operator.base, "tnt_session").is_some()
}

#[actix_web::test]
async fn a_link_by_saml_is_who_it_was_or_is_proved_once() {
    let old = Old::acme().await;
    let (ann, bob) = ("ann@corp.example", "bob@corp.example");
    old.before.insert("connection", connection(TOLD)).await;
    old.before.insert("connection", with(connection(UNTOLD), changed(days_ago(10)))).await;
    for (number, user, name) in [(TOLD, 1, ann), (UNTOLD, 2, bob)] {
        old.before.insert("connection_key", key(number)).await;
        old.user(with(person(ACME, user, name), vec![("role", "contributor".into())])).await;
        old.link(ACME, user, (&links_of(number), name), (20, 15)).await;
    }
    let world = old.start().await;
    let app = &world.app;
    let mut browser = Browser::default();
    let page = come(app, &mut browser, TOLD, ann).await;
    assert!(is_signed_in(app, &browser), "{} {}", page.url, page.text);
    assert_eq!(world.before.links(1).await, [(links_at(TOLD, IDP), ann.to_owned())]);

    let mut browser = Browser::default();
    let page = come(app, &mut browser, UNTOLD, bob).await;
    assert!(!is_signed_in(app, &browser), "{} {}", page.url, page.text);
    assert_eq!(world.before.links(2).await, [(links_of(UNTOLD), bob.to_owned())]);
    let code = world.mailed_code(bob).await;
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert!(is_signed_in(app, &browser), "{} {}", page.url, page.text);
    assert_eq!(world.before.links(2).await, [(links_at(UNTOLD, IDP), bob.to_owned())]);
    let mut browser = Browser::default();
    let page = come(app, &mut browser, UNTOLD, bob).await;
    assert!(is_signed_in(app, &browser), "{} {}", page.url, page.text);

    let users = world.users().await;
    assert!(users.len() == 2 && users.iter().all(|user| user.role == "contributor"), "{users:?}");
    world.stop().await;
}
