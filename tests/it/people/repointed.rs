//! A connection that is pointed at another provider: its secret is asked for again, and whom it names is proven again.

use tests::Browser;

use super::*;
use crate::sso::{claims as claims_of, module, prove_domain};

const ALICE: &str = "alice@corp.example";

#[actix_web::test]
async fn a_stored_secret_does_not_go_to_another_issuer() {
    let stage = Stage::set().await;
    let (old, new) = (Issuer::start(), Issuer::start());
    let connection = connected(&stage.acme, &old, "c1", json!({"clientSecret": "s"})).await;
    let one = stage.acme.path(&format!("connections/{}", connection.id));
    let admin = &stage.acme.admin;
    let refused = admin.patch(&one, json!({"issuer": new.url})).await.refused(400, "validation.failed");
    assert_eq!(refused.pointer(), "/clientSecret");
    assert_eq!(admin.get(&one).await.found::<Connection>().issuer.as_ref(), Some(&old.url));
    // The same issuer once more is no other one.
    admin.patch(&one, json!({"issuer": old.url, "name": "Renamed"})).await.expect(200);
    let change = json!({"issuer": new.url, "clientSecret": "another"});
    assert_eq!(admin.patch(&one, change).await.found::<Connection>().issuer.as_ref(), Some(&new.url));
    stage.stop().await;
    old.stop().await;
    new.stop().await;
}

#[actix_web::test]
async fn whom_another_issuer_calls_the_same_is_nobody_until_they_prove_it() {
    let stage = Stage::set().await;
    let (old, new) = (Issuer::start(), Issuer::start());
    prove_domain(&stage.app, &stage.acme, "corp.example").await;
    let connection = connected(&stage.acme, &old, "c1", json!({"clientSecret": "s"})).await;
    let one = stage.acme.path(&format!("connections/{}", connection.id));
    let alice = id_claims(&old, "c1", "alice", ALICE);
    let first: Exchanged = present(&stage.app, &old, &alice, json!({})).await.found();
    let alice_id = &first.user.id;
    let change = json!({"issuer": new.url, "clientSecret": "another"});
    stage.acme.admin.patch(&one, change).await.expect(200);
    present(&stage.app, &old, &alice, json!({})).await.refused(401, "sso.issuer_unknown");
    // By address, whatever the subject, and though the domain is the organization's.
    let alice = id_claims(&new, "c1", "alice", ALICE);
    for claims in [alice.clone(), with(alice.clone(), "sub", "alice-2")] {
        present(&stage.app, &new, &claims, json!({})).await.refused(409, "sso.link_required");
    }
    assert_eq!(stage.users().await.len(), 1);
    let module = module(&stage.app, "app", json!({})).await;
    answers(&new, "alice", ALICE);
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(&stage.app, &[("tenant", "acme")])).await.expect(200);
    let code = stage.app.mailed_code(ALICE).await;
    let page = browser.submit(&page, &[("code", &code)]).await;
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
    let tokens: Tokens = module.redeem(&stage.app, &code).await.found();
    assert_eq!(claims_of(tokens.id())["sub"], *alice_id);
    let again: Exchanged = present(&stage.app, &new, &alice, json!({})).await.found();
    assert_eq!(again.user.id, *alice_id);
    let other = with(alice, "sub", "alice-2");
    present(&stage.app, &new, &other, json!({})).await.refused(409, "sso.subject_other");
    assert_eq!(stage.users().await.len(), 1);
    // Another provider's subjects are other people.
    stage.acme.admin.patch(&one, json!({"issuer": old.url, "clientSecret": "once more"})).await.expect(200);
    let namesake = without(id_claims(&old, "c1", "alice", ALICE), "email");
    let namesake = with(namesake, "sub", "alice-2");
    let done: Exchanged = present(&stage.app, &old, &namesake, json!({})).await.found();
    assert_ne!(done.user.id, *alice_id);
    stage.stop().await;
    old.stop().await;
    new.stop().await;
}
