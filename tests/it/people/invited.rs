//! Who was invited: as what they were invited, on the seat that was held for them, whichever door they use.

use futures_util::future::join;

use super::*;
use crate::sso::prove_domain;

const ANN: &str = "ann@x.test";

#[actix_web::test]
async fn who_accepted_by_mail_comes_in_by_any_issuer_that_checked_the_address() {
    let stage = Stage::owned().await;
    let accepted: Invitation = stage.accept(OWNER).await.found();
    assert_eq!((accepted.status.as_str(), accepted.role.as_str()), ("accepted", "admin"));
    let owner = stage.claims("o-1", OWNER);
    let denied = with(owner.clone(), "email_verified", false);
    for unchecked in [denied, without(owner.clone(), "email_verified")] {
        stage.exchange(&unchecked).await.refused(409, "sso.link_required");
    }
    for _ in 0..2 {
        let done: Exchanged = stage.exchange(&owner).await.found();
        assert_eq!((Some(&done.user.id), done.user.role.as_str()), (accepted.user_id.as_ref(), "admin"));
    }
    assert_eq!((stage.users().await.len(), stage.seats().await), (1, (1, 0)));
    stage.stop().await;
}

#[actix_web::test]
async fn a_gateway_says_in_a_header_whether_it_checked_the_address() {
    let stage = Stage::owned().await;
    let accepted: Invitation = stage.accept(OWNER).await.found();
    let come = async |verified: Option<&str>| {
        let mut headers = vec![(EMAIL, OWNER)];
        headers.extend(verified.map(|said| (VERIFIED, said)));
        stage.by_gateway("g-1", &headers).await
    };
    come(None).await.refused(409, "sso.link_required");
    come(Some("false")).await.refused(409, "sso.link_required");
    let refused = come(Some("maybe")).await.refused(400, "validation.failed");
    assert_eq!(refused.pointer(), VERIFIED);
    let done: Exchanged = come(Some("true")).await.found();
    assert_eq!((Some(&done.user.id), done.user.role.as_str()), (accepted.user_id.as_ref(), "admin"));
    stage.stop().await;
}

#[actix_web::test]
async fn an_invited_owner_who_signs_in_before_accepting_is_admin_at_once() {
    let stage = Stage::owned().await;
    let invitation = stage.pending(OWNER).await;
    let owner = stage.claims("o-1", OWNER);
    let unchecked = with(owner.clone(), "email_verified", false);
    stage.exchange(&unchecked).await.refused(409, "sso.link_required");
    stage.by_gateway("g-1", &[(EMAIL, OWNER)]).await.refused(409, "sso.link_required");
    assert_eq!((stage.users().await.len(), stage.state(&invitation).await.as_str()), (0, "pending"));
    let done: Exchanged = stage.exchange(&owner).await.found();
    assert_eq!(done.user.role, "admin");
    let ended = stage.invitation(&invitation).await;
    assert_eq!((ended.status.as_str(), ended.user_id), ("accepted", Some(done.user.id)));
    stage.accept(OWNER).await.refused(410, "invitation.gone");
    let users = stage.users().await;
    assert_eq!((users.len(), users[0].source.as_str()), (1, "invitation"));
    stage.stop().await;
}

#[actix_web::test]
async fn a_gateways_role_does_not_stand_above_the_invitations() {
    let stage = Stage::owned().await;
    let headers = [(EMAIL, OWNER), (VERIFIED, "true"), ("X-User-Roles", "guest")];
    let done: Exchanged = stage.by_gateway("g-1", &headers).await.found();
    assert_eq!(done.user.role, "admin");
    stage.stop().await;
}

#[actix_web::test]
async fn whom_the_directory_made_before_they_accepted_is_raised_by_the_mailed_token() {
    let stage = Stage::set().await;
    let invitation = stage.invite(ANN, "contributor").await;
    assert_eq!(stage.seats().await, (0, 1));
    let ann = stage.push(json!({"userName": ANN})).await;
    // Nobody has proven that addresses of this domain are the directory's: it has the seat, and not the role.
    assert_eq!(stage.state(&invitation).await, "pending");
    assert_eq!((stage.seats().await, stage.user(&ann.id).await.role.as_str()), ((1, 0), "viewer"));
    let accepted: Invitation = stage.accept(ANN).await.found();
    assert_eq!((accepted.status.as_str(), accepted.role.as_str()), ("accepted", "contributor"));
    assert_eq!(accepted.user_id.as_ref(), Some(&ann.id));
    let user = stage.user(&ann.id).await;
    assert_eq!((user.role.as_str(), user.source.as_str()), ("contributor", "scim"));
    assert_eq!((stage.users().await.len(), stage.seats().await), (1, (1, 0)));
    // The mailed token was the proof of the address: what the issuer checked finds her now.
    let done: Exchanged = stage.exchange(&stage.claims("a-1", ANN)).await.found();
    assert_eq!(done.user.id, ann.id);
    stage.stop().await;
}

#[actix_web::test]
async fn an_invitation_never_lowers_a_role() {
    let stage = Stage::set().await;
    let invitation = stage.invite(ANN, "viewer").await;
    let ann = stage.push(json!({"userName": ANN})).await;
    stage.edit(&ann.id, json!({"role": "admin"})).await;
    let accepted: Invitation = stage.accept(ANN).await.found();
    assert_eq!((accepted.status.as_str(), accepted.role.as_str()), ("accepted", "admin"));
    assert_eq!(stage.user(&ann.id).await.role, "admin");
    assert_eq!(stage.state(&invitation).await, "accepted");
    stage.stop().await;
}

#[actix_web::test]
async fn a_directory_whose_domain_is_proven_accepts_the_invitation_of_whom_it_makes() {
    let stage = Stage::set().await;
    prove_domain(&stage.app, &stage.acme, "acme.example").await;
    let invitation = stage.invite("ann@acme.example", "contributor").await;
    let ann = stage.push(json!({"userName": "ann@acme.example"})).await;
    assert_eq!(stage.state(&invitation).await, "accepted");
    let user = stage.user(&ann.id).await;
    assert_eq!((user.role.as_str(), user.source.as_str()), ("contributor", "scim"));
    assert_eq!(stage.seats().await, (1, 0));
    stage.accept("ann@acme.example").await.refused(410, "invitation.gone");
    stage.stop().await;
}

#[actix_web::test]
async fn who_was_invited_and_signs_in_is_what_they_were_invited_as_on_one_seat() {
    let stage = Stage::set().await;
    let invitation = stage.invite(ANN, "contributor").await;
    assert_eq!(stage.seats().await, (0, 1));
    let done: Exchanged = stage.exchange(&stage.claims("a-1", ANN)).await.found();
    assert_eq!(done.user.role, "contributor");
    assert_eq!((stage.state(&invitation).await.as_str(), stage.seats().await), ("accepted", (1, 0)));
    assert_eq!(stage.app.audit("invitation.accept").await.len(), 1);
    stage.stop().await;
}

#[actix_web::test]
async fn the_seat_that_is_held_for_somebody_is_theirs_when_they_sign_in() {
    let stage = Stage::set().await;
    stage.limit_seats(1).await;
    let invitation = stage.invite(ANN, "viewer").await;
    let bob = stage.claims("b-1", "bob@x.test");
    stage.exchange(&bob).await.refused(403, "quota.exceeded");
    stage.exchange(&stage.claims("a-1", ANN)).await.expect(200);
    assert_eq!((stage.state(&invitation).await.as_str(), stage.seats().await), ("accepted", (1, 0)));
    stage.exchange(&bob).await.refused(403, "quota.exceeded");
    assert_eq!(stage.users().await.len(), 1);
    stage.stop().await;
}

#[actix_web::test]
async fn the_seat_that_is_held_for_somebody_is_theirs_when_the_directory_makes_them() {
    let stage = Stage::set().await;
    stage.limit_seats(1).await;
    stage.invite(ANN, "viewer").await;
    let bob = json!({"userName": "bob@x.test"});
    stage.acme.scim.post(USERS, bob.clone()).await.scim_refused(403, None);
    // By an address of hers that is not her user name.
    stage.push(json!({"userName": "ann", "emails": [{"value": ANN}]})).await;
    assert_eq!(stage.seats().await, (1, 0));
    stage.acme.scim.post(USERS, bob).await.scim_refused(403, None);
    stage.accept(ANN).await.expect(200);
    assert_eq!((stage.users().await.len(), stage.seats().await), (1, (1, 0)));
    stage.stop().await;
}

#[actix_web::test]
async fn an_address_is_the_same_however_its_domain_is_written() {
    let stage = Stage::set().await;
    for (subject, invited, comes) in [
        ("x", "x@bücher.example", "x@xn--bcher-kva.example"),
        ("y", "y@xn--bcher-kva.example", "Y@BÜCHER.example"),
    ] {
        let invitation = stage.invite(invited, "contributor").await;
        let done: Exchanged = stage.exchange(&stage.claims(subject, comes)).await.found();
        assert_eq!(done.user.role, "contributor", "{comes}");
        assert_eq!(stage.state(&invitation).await, "accepted", "{comes}");
    }
    stage.stop().await;
}

#[actix_web::test]
async fn where_whoever_comes_first_runs_a_tenant_an_invited_owner_does() {
    let stage = Stage::with(Some(OWNER), |config| {
        config.section_mut::<exchange::Settings>().exchange.auto_provision = true
    })
    .await;
    let intern: Exchanged = stage.exchange(&stage.claims("i-1", "intern@x.test")).await.found();
    assert_eq!(intern.user.role, "viewer");
    let owner: Exchanged = stage.exchange(&stage.claims("o-1", OWNER)).await.found();
    assert_eq!(owner.user.role, "admin");
    stage.accept(OWNER).await.refused(410, "invitation.gone");
    let intern: Exchanged = stage.exchange(&stage.claims("i-1", "intern@x.test")).await.found();
    assert_eq!(intern.user.role, "viewer");
    stage.stop().await;
}

#[actix_web::test]
async fn an_owner_and_an_intern_who_come_at_once_are_one_admin() {
    let stage = Stage::with(Some(OWNER), |config| {
        config.section_mut::<exchange::Settings>().exchange.auto_provision = true
    })
    .await;
    let (owner, intern) = (stage.claims("o-1", OWNER), stage.claims("i-1", "intern@x.test"));
    let (owner, intern) = join(stage.exchange(&owner), stage.exchange(&intern)).await;
    assert_eq!(owner.found::<Exchanged>().user.role, "admin");
    assert_eq!(intern.found::<Exchanged>().user.role, "viewer");
    stage.stop().await;
}
