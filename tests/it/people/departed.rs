//! Whom their directory switched off or removed: refused at every door, under whatever name, until its word or an admin's newer one.

use tests::ScimToken;

use super::*;

const BOB: &str = "bob@x.test";

fn bsmith() -> Value {
    json!({"userName": "bsmith", "externalId": "ext-bob", "emails": [{"value": BOB, "primary": true}]})
}

impl Stage {
    /// By everything that somebody could call Bob: how each of them is answered.
    async fn try_as_bob(&self) -> Vec<Reply> {
        let by_address = self.claims("b-77", BOB);
        let mut replies = Vec::new();
        for claims in [
            by_address.clone(),
            with(by_address.clone(), "email_verified", false),
            without(by_address, "email_verified"),
        ] {
            replies.push(self.exchange(&claims).await);
        }
        for headers in [&[(EMAIL, BOB)][..], &[(EMAIL, BOB), (VERIFIED, "true")]] {
            replies.push(self.by_gateway("g-77", headers).await);
        }
        replies
    }

    /// By the directory's own name for Bob.
    async fn as_the_directorys_bob(&self) -> Reply {
        self.exchange(&without(self.claims("ext-bob", BOB), "email")).await
    }

    /// From now on people are added by hand: the directory has no token any more.
    async fn end_scim(&self) {
        let tokens = format!("{ORGANIZATIONS}/default/scim-tokens");
        for token in self.acme.admin.get(&tokens).await.items::<ScimToken>() {
            let one = format!("{tokens}/{}", token.id);
            assert_eq!(self.acme.admin.delete(&one).await.status, 204);
        }
    }
}

#[actix_web::test]
async fn the_directorys_person_is_not_made_a_second_time_by_their_address() {
    let stage = Stage::set().await;
    let bob = stage.push(bsmith()).await;
    for reply in stage.try_as_bob().await {
        reply.refused(409, "sso.link_required");
    }
    stage.switch(&bob, false).await;
    for reply in stage.try_as_bob().await {
        reply.refused(403, "user.deactivated");
    }
    stage.as_the_directorys_bob().await.refused(403, "user.deactivated");
    assert_eq!((stage.users().await.len(), stage.seats().await), (1, (0, 0)));
    stage.switch(&bob, true).await;
    let done: Exchanged = stage.as_the_directorys_bob().await.found();
    assert_eq!(done.user.id, bob.id);
    stage.stop().await;
}

#[actix_web::test]
async fn who_was_signed_in_when_the_directory_removed_them_is_out_and_stays_out() {
    let stage = Stage::set().await;
    let bob = stage.push(bsmith()).await;
    let session: Exchanged = stage.as_the_directorys_bob().await.found();
    stage.remove(&bob).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh_token.as_str())];
    stage.app.anyone().form("/oauth2/token", &form).await.oauth_refused(400, "invalid_grant");
    stage.as_the_directorys_bob().await.refused(403, "user.deactivated");
    for reply in stage.try_as_bob().await {
        reply.refused(403, "user.deactivated");
    }
    assert_eq!((stage.users().await.len(), stage.seats().await), (0, (0, 0)));
    stage.stop().await;
}

#[actix_web::test]
async fn whom_the_directory_makes_again_is_there_again() {
    let stage = Stage::set().await;
    let first = stage.push(bsmith()).await;
    stage.remove(&first).await;
    let again = stage.push(bsmith()).await;
    assert_ne!(again.id, first.id);
    for reply in stage.try_as_bob().await {
        reply.refused(409, "sso.link_required");
    }
    let done: Exchanged = stage.as_the_directorys_bob().await.found();
    assert_eq!(done.user.id, again.id);
    stage.remove(&again).await;
    stage.as_the_directorys_bob().await.refused(403, "user.deactivated");
    stage.stop().await;
}

#[actix_web::test]
async fn whom_the_directory_removed_comes_back_by_an_admins_new_invitation() {
    let stage = Stage::set().await;
    let bob = stage.push(bsmith()).await;
    stage.remove(&bob).await;
    stage.exchange(&stage.claims("b-77", BOB)).await.refused(403, "user.deactivated");
    stage.end_scim().await;
    let invitation = stage.invite(BOB, "contributor").await;
    let done: Exchanged = stage.exchange(&stage.claims("b-77", BOB)).await.found();
    assert_eq!(done.user.role, "contributor");
    assert_eq!((stage.state(&invitation).await.as_str(), stage.seats().await), ("accepted", (1, 0)));
    stage.stop().await;
}

#[actix_web::test]
async fn whom_the_directory_removed_comes_back_by_the_token_of_a_new_invitation() {
    let stage = Stage::set().await;
    let bob = stage.push(bsmith()).await;
    stage.remove(&bob).await;
    stage.end_scim().await;
    stage.invite(BOB, "guest").await;
    let accepted: Invitation = stage.accept(BOB).await.found();
    assert_eq!(accepted.role, "guest");
    let done: Exchanged = stage.exchange(&stage.claims("b-77", BOB)).await.found();
    assert_eq!(Some(done.user.id), accepted.user_id);
    stage.stop().await;
}

#[actix_web::test]
async fn the_directorys_goodbye_ends_an_invitation() {
    for removed in [false, true] {
        let stage = Stage::set().await;
        let invitation = stage.invite(BOB, "admin").await;
        let bob = stage.push(json!({"userName": BOB})).await;
        assert_eq!(stage.state(&invitation).await, "pending");
        if removed {
            stage.remove(&bob).await;
        } else {
            stage.switch(&bob, false).await;
        }
        assert_eq!(stage.state(&invitation).await, "revoked");
        stage.accept(BOB).await.refused(410, "invitation.gone");
        for reply in stage.try_as_bob().await {
            reply.refused(403, "user.deactivated");
        }
        let users = stage.users().await;
        assert_eq!(users.len(), usize::from(!removed));
        assert!(users.iter().all(|user| !user.active && user.role == "viewer"), "{users:?}");
        assert_eq!(stage.seats().await, (0, 0));
        stage.stop().await;
    }
}

#[actix_web::test]
async fn whom_the_directory_makes_inactive_accepts_no_invitation() {
    let stage = Stage::set().await;
    let invitation = stage.invite(BOB, "admin").await;
    stage.push(json!({"userName": BOB, "active": false})).await;
    assert_eq!((stage.state(&invitation).await.as_str(), stage.seats().await), ("revoked", (0, 0)));
    stage.accept(BOB).await.refused(410, "invitation.gone");
    stage.exchange(&stage.claims("b-77", BOB)).await.refused(403, "user.deactivated");
    stage.stop().await;
}
