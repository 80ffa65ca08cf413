//! Domains: proven by a record, and no more without it.

use entity::connections::states::{DomainState, DomainVerb};
use serde_json::json;
use tests::TestApp;

use super::*;

struct Domains {
    app: TestApp,
    path: String,
}

struct Domain {
    path: String,
    name: String,
    record: (String, String),
}

impl Domains {
    async fn start() -> Self {
        let app = app().await;
        app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
        let path = format!("{}/domains", organization(&app.operator).await);
        Self { app, path }
    }

    async fn verify(&self, domain: &Domain) -> bool {
        let reply = self.app.operator.post(&format!("{}/verify", domain.path), json!({})).await;
        done_or(reply, 409, "domain.unproven")
    }
}

impl Story for Domains {
    type State = DomainState;
    type Verb = DomainVerb;
    type One = Domain;

    fn states(&self) -> Vec<DomainState> {
        DomainState::ALL.to_vec()
    }

    fn verbs(&self) -> Vec<DomainVerb> {
        DomainVerb::ALL.to_vec()
    }

    fn after(&self, state: DomainState, verb: DomainVerb) -> Option<DomainState> {
        state.after(verb)
    }

    async fn make(&self, state: DomainState) -> Domain {
        let name = format!("{}.example", platform::ids::new().simple());
        let made: tests::Domain = self.app.operator.post(&self.path, json!({"domain": name})).await.created();
        let record = (made.record_name, made.record_value);
        let domain = Domain { path: format!("{}/{}", self.path, made.id), name, record };
        if state == DomainState::Verified {
            assert!(self.act(&domain, DomainVerb::Prove).await);
        }
        domain
    }

    async fn act(&self, domain: &Domain, verb: DomainVerb) -> bool {
        match verb {
            DomainVerb::Prove => {
                self.app.dns.set(&domain.record.0, &domain.record.1);
                self.verify(domain).await
            }
            DomainVerb::Lapse => {
                self.app.dns.remove(&domain.record.0);
                !self.verify(domain).await
            }
        }
    }

    async fn state(&self, domain: &Domain) -> DomainState {
        let shown: tests::Domain = self.app.operator.get(&domain.path).await.found();
        DomainState::parse(&shown.status).expect("a state")
    }
}

#[actix_web::test]
async fn a_domain_goes_where_its_table_says() {
    let story = Domains::start().await;
    walk(&story, 2).await;
    story.app.stop().await;
}

/// The record comes and goes while many look for it: what each found is done in some order, and told in that order.
#[actix_web::test]
async fn proofs_and_lapses_of_a_domain_alternate() {
    let story = Domains::start().await;
    let domain = story.make(DomainState::Pending).await;
    // All begin before the first is answered, with the record as the last of them left it: what differs comes with the later rounds.
    let all = (0..WIDE).map(async |at| {
        let mut found = Vec::new();
        for round in 0..4 {
            let verb = if (at + round) % 2 == 0 { DomainVerb::Prove } else { DomainVerb::Lapse };
            // By the answer: the record may have come or gone meanwhile.
            found.push(story.act(&domain, verb).await == (verb == DomainVerb::Prove));
        }
        found
    });
    let found = join_all(all).await.concat();
    let is = story.state(&domain).await;
    assert!(found.contains(&(is == DomainState::Verified)), "{is:?} {found:?}");
    assert!(found.contains(&true) && found.contains(&false), "{found:?}");
    story.app.all_is_told().await;
    let events = story.app.events().await;
    let own = events.iter().filter(|one| one.kind == "domain.changed" && one.data["domain"] == domain.name);
    let told: Vec<bool> = own.map(|event| event.data["verified"] == true).collect();
    assert_eq!(told.last().copied(), Some(is == DomainState::Verified), "{told:?}");
    // Each of them changed something: it was what the one before had made otherwise.
    assert!(told.iter().enumerate().all(|(at, verified)| *verified == (at % 2 == 0)), "{told:?}");
    story.app.stop().await;
}
