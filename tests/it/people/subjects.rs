//! Subjects: byte for byte, of one source, and never a name or an address of somebody else.

use tests::Browser;

use super::*;
use crate::sso::{module, prove_domain};

const OLD: &str = "old@corp.example";

#[actix_web::test]
async fn an_address_that_changed_hands_does_not_hand_on_the_account() {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    connected(&stage.acme, &corp, "c1", json!({"clientSecret": "s"})).await;
    let come = async |subject: &str| {
        present(&stage.app, &corp, &id_claims(&corp, "c1", subject, OLD), json!({})).await
    };
    let first: Exchanged = come("a").await.found();
    come("b").await.refused(409, "sso.subject_other");
    // Not in a proven domain either, and not by a code that would go to whoever has the address now.
    prove_domain(&stage.app, &stage.acme, "corp.example").await;
    come("b").await.refused(409, "sso.subject_other");
    let module = module(&stage.app, "app", json!({})).await;
    answers(&corp, "b", OLD);
    let page = Browser::default().open(module.authorize(&stage.app, &[("tenant", "acme")])).await;
    let page = page.refused("sso.subject_other");
    let code = page.code().expect("a code");
    let found = stage.app.operator.sign_in(&code).await;
    assert_eq!(found.reason.as_deref(), Some("sign_in.subject_other"));
    assert!(stage.app.audit("sign_in.ask_proof").await.is_empty(), "nobody is mailed a code");
    let again: Exchanged = come("a").await.found();
    assert_eq!(again.user.id, first.user.id);
    assert_eq!(stage.users().await.len(), 1);
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn a_registered_issuers_address_that_changed_hands_does_not_either() {
    let stage = Stage::set().await;
    stage.exchange(&stage.claims("a", OLD)).await.expect(200);
    stage.exchange(&stage.claims("b", OLD)).await.refused(409, "sso.subject_other");
    prove_domain(&stage.app, &stage.acme, "corp.example").await;
    stage.exchange(&stage.claims("b", OLD)).await.refused(409, "sso.subject_other");
    assert_eq!(stage.users().await.len(), 1);
    stage.stop().await;
}

#[actix_web::test]
async fn subjects_that_differ_in_case_are_two_people() {
    let stage = Stage::set().await;
    let come = async |subject: &str| {
        let done: Exchanged = stage.exchange(&without(stage.claims(subject, OLD), "email")).await.found();
        done.user.id
    };
    let (small, capital) = (come("w1").await, come("W1").await);
    assert_ne!(small, capital);
    assert_eq!((come("w1").await, come("W1").await), (small, capital));
    assert_eq!(stage.users().await.len(), 2);
    stage.stop().await;
}

#[actix_web::test]
async fn a_subject_is_nobodys_user_name() {
    let stage = Stage::set().await;
    let ann = stage.push(json!({"userName": "u7", "externalId": "ext-ann"})).await;
    let come = async |subject: &str| {
        let done: Exchanged = stage.exchange(&without(stage.claims(subject, OLD), "email")).await.found();
        done.user.id
    };
    let other = come("u7").await;
    assert_ne!(other, ann.id);
    assert_eq!(come("ext-ann").await, ann.id, "by the directory's own name");
    assert_eq!(come("u7").await, other);
    assert_eq!(stage.users().await.len(), 2);
    stage.stop().await;
}
