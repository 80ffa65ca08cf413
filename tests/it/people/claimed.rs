//! An account that was made with an address for which nothing stood belongs to whoever proves the address.

use futures_util::future::join_all;

use super::*;
use crate::sso::prove_domain;

const CEO: &str = "ceo@corp.example";

#[actix_web::test]
async fn an_account_made_with_an_address_that_nobody_proved_is_whose_address_it_is() {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    let own = connected(&stage.acme, &corp, "c1", json!({})).await;
    connected(&stage.acme, &corp, "c2", json!({})).await;
    let policy = json!({"connectionId": own.id});
    stage.acme.admin.put(&stage.acme.path("sso-policy"), policy).await.expect(200);
    prove_domain(&stage.app, &stage.acme, "corp.example").await;
    let squatter = id_claims(&corp, "c2", "m", CEO);
    let squatted: Exchanged = present(&stage.app, &corp, &squatter, json!({})).await.found();
    let theirs = id_claims(&corp, "c1", "ceo", CEO);
    let done: Exchanged = present(&stage.app, &corp, &theirs, json!({})).await.found();
    assert_eq!(done.user.id, squatted.user.id);
    // Who was there before is out, and doesn't come back.
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", squatted.refresh_token.as_str())];
    assert_eq!(stage.app.anyone().form("/oauth2/token", &refresh).await.status, 400);
    present(&stage.app, &corp, &squatter, json!({})).await.refused(409, "sso.link_required");
    assert_eq!(present(&stage.app, &corp, &theirs, json!({})).await.found::<Exchanged>().user, done.user);
    corp.stop().await;
    stage.stop().await;
}

#[actix_web::test]
async fn a_subject_that_is_an_address_is_not_found_by_it() {
    let stage = Stage::set().await;
    let corp = Issuer::start();
    connected(&stage.acme, &corp, "c1", json!({})).await;
    stage.invite(CEO, "admin").await;
    let claims = without(id_claims(&corp, "c1", CEO, CEO), "email");
    let squatter: Exchanged = present(&stage.app, &corp, &claims, json!({})).await.found();
    assert_eq!(squatter.user.role, "viewer");
    let ceo: Exchanged = stage.exchange(&stage.claims("ceo", CEO)).await.found();
    assert_ne!(ceo.user.id, squatter.user.id);
    assert_eq!(ceo.user.role, "admin");
    corp.stop().await;
    stage.stop().await;
}

#[actix_web::test]
async fn one_stranger_who_comes_often_at_once_is_one_person() {
    let stage = Stage::set().await;
    let come = |_| async {
        eventually("a decision", async || {
            let reply = stage.by_gateway("stranger", &[(EMAIL, "s@x.test")]).await;
            (!matches!(reply.status.as_u16(), 429 | 503)).then_some(reply)
        })
        .await
    };
    let users: std::collections::BTreeSet<String> = join_all((0..64).map(come))
        .await
        .into_iter()
        .map(|reply| reply.found::<Exchanged>().user.id)
        .collect();
    assert_eq!(users.len(), 1);
    stage.stop().await;
}

#[actix_web::test]
async fn a_directory_accepts_no_invitation_of_an_address_that_is_not_its_own() {
    let stage = Stage::set().await;
    prove_domain(&stage.app, &stage.acme, "corp.example").await;
    let invitation = stage.invite("cfo@partner.test", "admin").await;
    let emails = json!([{"value": "x@corp.example", "primary": true}, {"value": "cfo@partner.test"}]);
    let pushed = stage.push(json!({"userName": "x@corp.example", "emails": emails})).await;
    assert_eq!(stage.user(&pushed.id).await.role, "viewer");
    assert_eq!(stage.state(&invitation).await, "pending");
    stage.stop().await;
}

#[actix_web::test]
async fn the_removed_come_back_by_no_request_of_their_own() {
    let stage = Stage::set().await;
    prove_domain(&stage.app, &stage.acme, "x.test").await;
    let rule = format!("{ORGANIZATIONS}/default/join-rules/x.test");
    stage.acme.admin.put(&rule, json!({"mode": "auto"})).await.expect(200);
    let bob = stage.push(json!({"userName": "bob@x.test", "externalId": "b"})).await;
    stage.remove(&bob).await;
    // A new hire gets the address: whoever left is still who left.
    stage.push(json!({"userName": "bob@x.test", "externalId": "b2"})).await;
    stage.exchange(&stage.claims("b", "bob@x.test")).await.refused(403, "user.deactivated");
    stage.exchange(&stage.claims("b2", "bob@x.test")).await.expect(200);
    stage.stop().await;
}
