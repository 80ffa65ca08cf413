//! Requests to join: decided once.

use entity::invitations::states::{JoinRequestStatus, JoinRequestVerb};
use serde_json::json;
use tests::{JoinRequest, TestApp};

use super::*;

const LIST: &str = "/api/v1/tenants/acme/join-requests";

struct Joins(TestApp);

impl Joins {
    async fn start() -> Self {
        let app = app().await;
        let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
        crate::sso::prove_domain(&app, &acme, "acme.example").await;
        let rule = "/api/v1/tenants/acme/organizations/default/join-rules/acme.example";
        acme.admin.put(rule, json!({"mode": "request"})).await.expect(200);
        Self(app)
    }

    async fn listed(&self) -> Vec<JoinRequest> {
        self.0.operator.get(&format!("{LIST}?limit=200")).await.items()
    }
}

impl Story for Joins {
    type State = JoinRequestStatus;
    type Verb = JoinRequestVerb;
    /// Its id.
    type One = String;

    fn states(&self) -> Vec<JoinRequestStatus> {
        JoinRequestStatus::ALL.to_vec()
    }

    fn verbs(&self) -> Vec<JoinRequestVerb> {
        JoinRequestVerb::ALL.to_vec()
    }

    fn after(&self, state: JoinRequestStatus, verb: JoinRequestVerb) -> Option<JoinRequestStatus> {
        state.after(verb)
    }

    async fn make(&self, state: JoinRequestStatus) -> String {
        let email = format!("p{}@acme.example", platform::ids::new().simple());
        let ask = json!({"tenant": "acme", "email": email});
        self.0.anyone().post("/api/v1/join", ask).await.expect(200);
        self.0.accept_invitation(&email).await;
        let listed = self.listed().await;
        let id = listed.into_iter().find(|one| one.email == email).expect("a request").id;
        match state {
            JoinRequestStatus::Pending => {}
            JoinRequestStatus::Approved => assert!(self.act(&id, JoinRequestVerb::Approve).await),
            JoinRequestStatus::Declined => assert!(self.act(&id, JoinRequestVerb::Decline).await),
        }
        id
    }

    async fn act(&self, id: &String, verb: JoinRequestVerb) -> bool {
        let what = match verb {
            JoinRequestVerb::Approve => "approve",
            JoinRequestVerb::Decline => "decline",
        };
        done(&self.0.operator.post(&format!("{LIST}/{id}/{what}"), json!({})).await)
    }

    async fn state(&self, id: &String) -> JoinRequestStatus {
        let listed = self.listed().await;
        let shown = listed.iter().find(|one| one.id == *id).expect("a request");
        JoinRequestStatus::parse(&shown.status).expect("a state")
    }
}

#[actix_web::test]
async fn a_request_to_join_goes_where_its_table_says() {
    let story = Joins::start().await;
    walk(&story, 1).await;
    story.0.stop().await;
}

#[actix_web::test]
async fn a_request_to_join_is_decided_once() {
    let story = Joins::start().await;
    for _ in 0..3 {
        race_all(&story, JoinRequestVerb::ALL, 1).await;
    }
    let approved = story.listed().await.iter().filter(|one| one.status == "approved").count();
    assert_eq!(story.0.operator.users("acme").await.len(), approved);
    story.0.stop().await;
}
