//! What an organization's connections may say: of the directory's people, of addresses, of who is invited.

use tests::Browser;

use super::*;
use crate::sso::{claims as claims_of, module, prove_domain};

const ALICE: &str = "alice@corp.example";

/// Signs in by a connection's ID token.
async fn come(stage: &Stage, corp: &Issuer, claims: &Value) -> Reply {
    present(&stage.app, corp, claims, json!({})).await
}

/// Alice in a proven domain, and two connections; answers her and the second one.
async fn two_beside_a_proven_domain() -> (Stage, Issuer, ScimUser, Connection) {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    prove_domain(&stage.app, &stage.acme, "corp.example").await;
    let alice = stage.push(json!({"userName": ALICE})).await;
    connected(&stage.acme, &corp, "c1", json!({})).await;
    let second = connected(&stage.acme, &corp, "c2", json!({})).await;
    (stage, corp, alice, second)
}

#[actix_web::test]
async fn only_the_connection_that_is_the_directorys_names_its_people() {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    connected(&stage.acme, &corp, "c1", json!({})).await;
    let second = connected(&stage.acme, &corp, "c2", json!({})).await;
    let push = async |name: &str| {
        stage.push(json!({"userName": format!("{name}@x.test"), "externalId": name})).await.id
    };
    let (victim, ann, bob) = (push("victim").await, push("ann").await, push("bob").await);
    stage.edit(&victim, json!({"role": "admin"})).await;
    // Neither is named by the policy: whoever set one of them up names nobody of the directory.
    let as_victim = id_claims(&corp, "c2", "victim", "mallory@evil.test");
    let done: Exchanged = come(&stage, &corp, &as_victim).await.found();
    assert_ne!(done.user.id, victim);
    assert_eq!(done.user.role, "viewer");
    for client in ["c1", "c2"] {
        let by_address = id_claims(&corp, client, "victim-too", "victim@x.test");
        come(&stage, &corp, &by_address).await.refused(409, "sso.link_required");
    }
    let policy = json!({"connectionId": second.id});
    stage.acme.admin.put(&stage.acme.path("sso-policy"), policy).await.expect(200);
    let done: Exchanged = come(&stage, &corp, &id_claims(&corp, "c2", "ann", "ann@x.test")).await.found();
    assert_eq!(done.user.id, ann);
    let done: Exchanged =
        come(&stage, &corp, &id_claims(&corp, "c1", "bob", "mallory@evil.example")).await.found();
    assert_ne!(done.user.id, bob);
    let done: Exchanged = come(&stage, &corp, &as_victim).await.found();
    assert_ne!(done.user.id, victim);
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn the_only_connection_of_an_organization_is_its_directorys() {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    connected(&stage.acme, &corp, "c1", json!({})).await;
    let ann = stage.push(json!({"userName": "ann@x.test", "externalId": "ann"})).await;
    let done: Exchanged = come(&stage, &corp, &id_claims(&corp, "c1", "ann", "ann@other.test")).await.found();
    assert_eq!(done.user.id, ann.id);
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn a_proven_domain_is_spoken_for_by_the_connection_that_is_the_organizations() {
    let (stage, corp, alice, second) = two_beside_a_proven_domain().await;
    for client in ["c1", "c2"] {
        let claims = id_claims(&corp, client, "a-1", ALICE);
        come(&stage, &corp, &claims).await.refused(409, "sso.link_required");
        let silent = without(claims, "email_verified");
        come(&stage, &corp, &silent).await.refused(409, "sso.link_required");
    }
    let one = stage.acme.path(&format!("connections/{}", second.id));
    assert_eq!(stage.acme.admin.delete(&one).await.status, 204);
    let claims = id_claims(&corp, "c1", "a-1", ALICE);
    let unchecked = with(claims.clone(), "email_verified", false);
    come(&stage, &corp, &unchecked).await.refused(409, "sso.link_required");
    let done: Exchanged = come(&stage, &corp, &without(claims, "email_verified")).await.found();
    assert_eq!(done.user.id, alice.id);
    assert_eq!(stage.users().await.len(), 1);
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn a_proven_domain_is_spoken_for_by_the_connection_that_the_policy_names() {
    let (stage, corp, alice, second) = two_beside_a_proven_domain().await;
    let policy = json!({"connectionId": second.id});
    stage.acme.admin.put(&stage.acme.path("sso-policy"), policy).await.expect(200);
    let first = id_claims(&corp, "c1", "a-1", ALICE);
    come(&stage, &corp, &first).await.refused(409, "sso.link_required");
    let done: Exchanged = come(&stage, &corp, &id_claims(&corp, "c2", "a-1", ALICE)).await.found();
    assert_eq!(done.user.id, alice.id);
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn a_connections_word_alone_accepts_nobodys_invitation() {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    connected(&stage.acme, &corp, "c1", json!({"clientSecret": "s"})).await;
    let invitation = stage.invite(ALICE, "admin").await;
    let claims = id_claims(&corp, "c1", "a-1", ALICE);
    come(&stage, &corp, &claims).await.refused(409, "sso.link_required");
    assert_eq!((stage.users().await.len(), stage.state(&invitation).await.as_str()), (0, "pending"));
    // In a browser a code goes to the address that was invited.
    let module = module(&stage.app, "app", json!({})).await;
    answers(&corp, "a-1", ALICE);
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(&stage.app, &[("tenant", "acme")])).await.expect(200);
    assert!(page.form().1.iter().any(|(name, _)| name == "code"), "{}", page.text);
    let wrong = browser.submit(&page, &[("code", "no code")]).await;
    assert_eq!((wrong.status.as_u16(), stage.users().await.len()), (403, 0));
    let code = stage.app.mailed_code(ALICE).await;
    let page = browser.submit(&page, &[("code", &code)]).await;
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
    let tokens: Tokens = module.redeem(&stage.app, &code).await.found();
    let id = claims_of(tokens.id());
    assert_eq!(id["roles"], json!(["admin"]));
    let ended = stage.invitation(&invitation).await;
    assert_eq!((ended.status.as_str(), ended.user_id.as_deref()), ("accepted", id["sub"].as_str()));
    assert_eq!(stage.seats().await, (1, 0));
    // From now on she is known.
    let done: Exchanged = come(&stage, &corp, &claims).await.found();
    assert_eq!((json!(done.user.id), done.user.role.as_str()), (id["sub"].clone(), "admin"));
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn a_connections_word_accepts_the_invitation_where_the_domain_is_its_organizations() {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    prove_domain(&stage.app, &stage.acme, "corp.example").await;
    connected(&stage.acme, &corp, "c1", json!({})).await;
    let invitation = stage.invite(ALICE, "admin").await;
    let claims = id_claims(&corp, "c1", "a-1", ALICE);
    let unchecked = with(claims.clone(), "email_verified", false);
    come(&stage, &corp, &unchecked).await.refused(409, "sso.link_required");
    let done: Exchanged = come(&stage, &corp, &claims).await.found();
    assert_eq!(done.user.role, "admin");
    assert_eq!((stage.state(&invitation).await.as_str(), stage.seats().await), ("accepted", (1, 0)));
    stage.stop().await;
    corp.stop().await;
}
