//! Invitations: accepted, sent again, taken back, over.

use chrono::TimeDelta;
use entity::invitations::states::{InvitationStatus, InvitationVerb};
use serde_json::json;
use tests::{TestApp, eventually};

use super::*;

struct Invitations(TestApp);

struct Invitation {
    path: String,
    token: String,
}

impl Invitations {
    async fn start() -> Self {
        let app = app().await;
        app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
        Self(app)
    }

    async fn accept(&self, one: &Invitation) -> Reply {
        self.0.anyone().post("/api/v1/invitations/accept", json!({"token": one.token})).await
    }

    async fn resend(&self, one: &Invitation) -> Reply {
        self.0.operator.post(&format!("{}/resend", one.path), json!({})).await
    }
}

impl Story for Invitations {
    type State = InvitationStatus;
    type Verb = InvitationVerb;
    type One = Invitation;

    fn states(&self) -> Vec<InvitationStatus> {
        InvitationStatus::ALL.to_vec()
    }

    fn verbs(&self) -> Vec<InvitationVerb> {
        InvitationVerb::ALL.to_vec()
    }

    fn after(&self, state: InvitationStatus, verb: InvitationVerb) -> Option<InvitationStatus> {
        state.after(verb)
    }

    async fn make(&self, state: InvitationStatus) -> Invitation {
        let email = format!("p{}@acme.example", platform::ids::new().simple());
        let body = json!({"email": email, "role": "viewer"});
        let made = self.0.operator.post("/api/v1/tenants/acme/invitations", body).await.created_id();
        let path = format!("/api/v1/tenants/acme/invitations/{made}");
        let one = Invitation { path, token: self.0.invitation_token(&email).await };
        let verb = match state {
            InvitationStatus::Pending => return one,
            InvitationStatus::Accepted => InvitationVerb::Accept,
            InvitationStatus::Revoked => InvitationVerb::Revoke,
            InvitationStatus::Expired => InvitationVerb::Expire,
        };
        assert!(self.act(&one, verb).await);
        one
    }

    async fn act(&self, one: &Invitation, verb: InvitationVerb) -> bool {
        match verb {
            InvitationVerb::Accept => done_or(self.accept(one).await, 410, "invitation.gone"),
            InvitationVerb::Resend => done_or(self.resend(one).await, 409, "invitation.not_pending"),
            InvitationVerb::Revoke => {
                done_or(self.0.operator.delete(&one.path).await, 409, "invitation.not_pending")
            }
            InvitationVerb::Expire => {
                self.0.clock.advance(TimeDelta::days(91));
                eventually("it not to be pending", async || {
                    (self.state(one).await != InvitationStatus::Pending).then_some(true)
                })
                .await
            }
        }
    }

    async fn state(&self, one: &Invitation) -> InvitationStatus {
        let shown: tests::Invitation = self.0.operator.get(&one.path).await.found();
        InvitationStatus::parse(&shown.status).expect("a state")
    }

    fn answer(&self, verb: InvitationVerb) -> Answer {
        if verb == InvitationVerb::Expire { Answer::SaysNothing } else { Answer::Tells }
    }
}

#[actix_web::test]
async fn an_invitation_goes_where_its_table_says() {
    let story = Invitations::start().await;
    walk(&story, 1).await;
    story.0.stop().await;
}

#[actix_web::test]
async fn of_accepting_revoking_and_sending_again_some_order_explains_what_is() {
    let story = Invitations::start().await;
    for _ in 0..3 {
        let revokes = [InvitationVerb::Accept, InvitationVerb::Revoke];
        race_all(&story, &revokes, 1).await;
        race_all(&story, &[InvitationVerb::Resend, InvitationVerb::Revoke], 1).await;
    }
    let operator = &story.0.operator;
    let users = operator.users("acme").await;
    let seats = operator.quota("acme", "users").await;
    assert_eq!(seats.used, users.len() as i64);
    assert_eq!(seats.reserved, 0);
    story.0.stop().await;
}

/// Sending it again makes another token: the one that was mailed first counts until then.
#[actix_web::test]
async fn an_invitation_is_accepted_or_sent_again() {
    let story = Invitations::start().await;
    let one = story.make(InvitationStatus::Pending).await;
    let (accepted, sent) = both(async || story.accept(&one).await, async || story.resend(&one).await).await;
    match story.state(&one).await {
        InvitationStatus::Accepted => assert_eq!(accepted, 1),
        // How many mails an address gets has a rule of its own.
        state => {
            assert_eq!((state, accepted), (InvitationStatus::Pending, 0));
            assert!(sent > 0);
        }
    }
    story.0.stop().await;
}
