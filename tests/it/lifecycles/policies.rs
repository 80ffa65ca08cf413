//! The sign-in policy of an organization, and the connection by which its people come in.

use entity::connections::states::{PolicyState, PolicyVerb};
use serde_json::{Value, json};
use tests::{Connection, Policy, TestApp};

use super::*;

/// Whether an active connection is there that the policy lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    In,
    Gone,
}

struct Policies(TestApp);

/// An organization, and its connection.
struct Organization {
    path: String,
    connection: String,
}

impl Organization {
    fn policy(&self) -> String {
        format!("{}/sso-policy", self.path)
    }

    fn connection(&self) -> String {
        format!("{}/connections/{}", self.path, self.connection)
    }
}

impl Policies {
    async fn connect(&self, path: &str) -> String {
        let body = json!({"type": "oidc", "name": "Corp", "issuer": "https://idp.example", "clientId": "c"});
        self.0.operator.post(&format!("{path}/connections"), body).await.created_id()
    }

    async fn say(&self, one: &Organization, what: Value) -> bool {
        let reply = self.0.operator.patch(&one.policy(), what).await;
        if !done(&reply) {
            let refused = reply.refused(400, "validation.failed");
            assert_eq!(refused.pointer(), "/enforced", "{refused:?}");
            return false;
        }
        true
    }

    /// Deletes the connection that the policy names, or one more that it doesn't name.
    async fn delete(&self, one: &Organization) -> bool {
        let operator = &self.0.operator;
        let named = operator.get(&one.policy()).await.found::<Policy>().connection_id.is_some();
        if named {
            return done_or(operator.delete(&one.connection()).await, 409, "conflict");
        }
        let other = self.connect(&one.path).await;
        done(&operator.delete(&format!("{}/connections/{other}", one.path)).await)
    }
}

impl Story for Policies {
    type State = (PolicyState, Way);
    type Verb = PolicyVerb;
    type One = Organization;

    fn states(&self) -> Vec<(PolicyState, Way)> {
        let open = [PolicyState::Open, PolicyState::OpenNamed].map(|state| (state, Way::Gone));
        PolicyState::ALL.iter().map(|state| (*state, Way::In)).chain(open).collect()
    }

    fn verbs(&self) -> Vec<PolicyVerb> {
        PolicyVerb::ALL.to_vec()
    }

    /// The table, for one connection: without it nobody could come in.
    fn after(&self, (state, way): (PolicyState, Way), verb: PolicyVerb) -> Option<(PolicyState, Way)> {
        let way = if verb == PolicyVerb::Close { Way::Gone } else { way };
        let is = state.after(verb)?;
        (way == Way::In || is.after(PolicyVerb::Close).is_some()).then_some((is, way))
    }

    async fn make(&self, (state, way): (PolicyState, Way)) -> Organization {
        let path = organization(&self.0.operator).await;
        let connection = self.connect(&path).await;
        let one = Organization { path, connection };
        let named = matches!(state, PolicyState::OpenNamed | PolicyState::EnforcedNamed);
        let enforced = matches!(state, PolicyState::Enforced | PolicyState::EnforcedNamed);
        let named = named.then_some(&one.connection);
        let put = json!({"enforced": enforced, "connectionId": named});
        self.0.operator.put(&one.policy(), put).await.expect(200);
        if way == Way::Gone {
            assert!(self.act(&one, PolicyVerb::Close).await);
        }
        one
    }

    async fn act(&self, one: &Organization, verb: PolicyVerb) -> bool {
        match verb {
            PolicyVerb::Enforce => self.say(one, json!({"enforced": true})).await,
            PolicyVerb::Lift => self.say(one, json!({"enforced": false})).await,
            PolicyVerb::Name => self.say(one, json!({"connectionId": one.connection})).await,
            PolicyVerb::Unname => self.say(one, json!({"connectionId": null})).await,
            PolicyVerb::Close => {
                let reply = self.0.operator.patch(&one.connection(), json!({"enabled": false})).await;
                done_or(reply, 409, "connection.needed")
            }
            PolicyVerb::Delete => self.delete(one).await,
        }
    }

    async fn state(&self, one: &Organization) -> (PolicyState, Way) {
        let policy: Policy = self.0.operator.get(&one.policy()).await.found();
        let state = match (policy.enforced, policy.connection_id.is_some()) {
            (false, false) => PolicyState::Open,
            (false, true) => PolicyState::OpenNamed,
            (true, false) => PolicyState::Enforced,
            (true, true) => PolicyState::EnforcedNamed,
        };
        let connection: Connection = self.0.operator.get(&one.connection()).await.found();
        (state, if connection.status == "active" { Way::In } else { Way::Gone })
    }
}

async fn policies() -> Policies {
    let app = app().await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
    Policies(app)
}

#[actix_web::test]
async fn a_policy_goes_where_its_table_says() {
    let story = policies().await;
    walk(&story, 4).await;
    story.0.stop().await;
}

#[actix_web::test]
async fn changes_of_a_policy_and_of_the_connection_that_it_needs_are_explained_by_an_order() {
    let story = policies().await;
    race_all(&story, PolicyVerb::ALL, 2).await;
    story.0.stop().await;
}
