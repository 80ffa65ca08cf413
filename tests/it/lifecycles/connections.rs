//! Connections: who comes in by them, and since when somebody has.

use std::sync::atomic::{AtomicUsize, Ordering};

use entity::connections::connection;
use entity::connections::states::{ConnectionState, ConnectionVerb};
use platform::View;
use reqwest::Method;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Value, json};
use tests::{Browser, Connection, Issuer, TestApp};
use uuid::Uuid;

use super::*;
use crate::sso::{CALLBACK, Module, module};

struct Connections {
    app: TestApp,
    tenant: Uuid,
    module: Module,
    provider: Issuer,
    /// Clients at the provider, so far.
    clients: AtomicUsize,
}

struct One {
    path: String,
    id: Uuid,
}

impl Connections {
    async fn start() -> Self {
        let app = app().await;
        let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
        let module = module(&app, "app", json!({})).await;
        let provider = Issuer::start();
        // Each client has a person of its own.
        provider.misbehave(|mischief| {
            mischief.claims = Some(Box::new(|claims: &mut Value| {
                let client = claims["aud"].as_str().expect("a client").to_owned();
                claims["email"] = format!("{client}@corp.example").into();
                claims["sub"] = client.into();
            }));
        });
        let tenant = acme.id.parse().expect("an id");
        Self { app, tenant, module, provider, clients: AtomicUsize::new(0) }
    }

    async fn stop(self) {
        self.app.stop().await;
        self.provider.stop().await;
    }

    fn client(&self) -> String {
        format!("c{}", self.clients.fetch_add(1, Ordering::SeqCst))
    }

    async fn row(&self, one: &One) -> Option<connection::Model> {
        let find = async |view: &View| {
            view.one(view.select::<connection::Entity>().filter(connection::Column::Id.eq(one.id))).await
        };
        self.app.running.service.db.read(self.tenant, find).await.expect("the store answers")
    }

    async fn patch(&self, one: &One, what: Value) -> bool {
        done_or(self.app.operator.patch(&one.path, what).await, 404, "not_found")
    }

    /// Somebody signs in by it in a browser.
    async fn sign_in(&self, one: &One) -> bool {
        let id = one.id.to_string();
        let page = Browser::default().open(self.module.authorize(&self.app, &[("connection", &id)])).await;
        assert!(!page.status.is_server_error(), "{}", page.text);
        page.url.as_str().starts_with(CALLBACK)
    }

    /// An admin walks a sign-in that is a test.
    async fn test(&self, one: &One) -> bool {
        let begun = self.app.operator.post(&format!("{}/test", one.path), json!({})).await;
        if !done(&begun) {
            begun.refused(404, "not_found");
            return false;
        }
        let page = Browser::default().open(text(&begun.json(), "testUrl")).await;
        assert!(!page.status.is_server_error(), "{}", page.text);
        page.status.is_success() && page.text.contains("The test succeeded")
    }

    async fn exchange(&self, one: &One) -> bool {
        tests::eventually("a token of the client that it is", async || {
            let Some(row) = self.row(one).await else { return Some(false) };
            let client = row.client_id.expect("a client");
            let mut claims = self.provider.claims(&client, "nothing");
            claims["aud"] = client.clone().into();
            claims["email"] = format!("{client}@corp.example").into();
            let body = json!({"subjectToken": self.provider.sign(&claims), "connection": one.id});
            let reply = decided(&self.app.operator, Method::POST, "/api/internal/sso/exchange", &body).await;
            let is_of_another_client = reply.code().as_deref() == Some("sso.token_refused");
            (!is_of_another_client).then(|| done_or(reply, 403, "connection.disabled"))
        })
        .await
    }
}

impl Story for Connections {
    type State = ConnectionState;
    type Verb = ConnectionVerb;
    type One = One;

    fn states(&self) -> Vec<ConnectionState> {
        ConnectionState::ALL.to_vec()
    }

    fn verbs(&self) -> Vec<ConnectionVerb> {
        ConnectionVerb::ALL.to_vec()
    }

    fn after(&self, state: ConnectionState, verb: ConnectionVerb) -> Option<ConnectionState> {
        state.after(verb)
    }

    async fn make(&self, state: ConnectionState) -> One {
        let path = format!("{}/connections", organization(&self.app.operator).await);
        let (issuer, client) = (&self.provider.url, self.client());
        let body = json!({"type": "oidc", "name": "Corp", "issuer": issuer, "clientId": client, "clientSecret": "s"});
        let id = self.app.operator.post(&path, body).await.created_id();
        let one = One { path: format!("{path}/{id}"), id: id.parse().expect("an id") };
        if state.is_proven() {
            assert!(self.sign_in(&one).await);
        }
        match state {
            ConnectionState::Unproven | ConnectionState::Proven => {}
            ConnectionState::DisabledUnproven | ConnectionState::DisabledProven => {
                assert!(self.act(&one, ConnectionVerb::Disable).await);
            }
            ConnectionState::Deleted => assert!(self.act(&one, ConnectionVerb::Delete).await),
        }
        one
    }

    async fn act(&self, one: &One, verb: ConnectionVerb) -> bool {
        match verb {
            ConnectionVerb::SignIn => self.sign_in(one).await,
            ConnectionVerb::Test => self.test(one).await,
            ConnectionVerb::Exchange => self.exchange(one).await,
            ConnectionVerb::Enable => self.patch(one, json!({"enabled": true})).await,
            ConnectionVerb::Disable => self.patch(one, json!({"enabled": false})).await,
            ConnectionVerb::Repoint => self.patch(one, json!({"clientId": self.client()})).await,
            ConnectionVerb::Rotate => self.patch(one, json!({"clientSecret": "another"})).await,
            ConnectionVerb::Delete => done_or(self.app.operator.delete(&one.path).await, 404, "not_found"),
        }
    }

    async fn state(&self, one: &One) -> ConnectionState {
        let shown = self.app.operator.get(&one.path).await;
        let Some(row) = self.row(one).await else {
            shown.refused(404, "not_found");
            return ConnectionState::Deleted;
        };
        assert_eq!(shown.found::<Connection>().enabled, row.enabled);
        row.state()
    }

    /// Between the way to the provider and the way back it may have become another client there.
    fn answer(&self, verb: ConnectionVerb) -> Answer {
        match verb {
            ConnectionVerb::SignIn | ConnectionVerb::Test => Answer::MayGiveUp,
            _ => Answer::Tells,
        }
    }
}

#[actix_web::test]
async fn a_connection_goes_where_its_table_says() {
    let story = Connections::start().await;
    walk(&story, 4).await;
    story.stop().await;
}

#[actix_web::test]
async fn who_comes_by_a_connection_while_it_changes_is_explained_by_an_order() {
    let story = Connections::start().await;
    race_all(&story, ConnectionVerb::ALL, 2).await;
    story.stop().await;
}

#[actix_web::test]
async fn another_issuer_has_answered_nobody_yet() {
    let story = Connections::start().await;
    let other = Issuer::start();
    for state in [ConnectionState::Proven, ConnectionState::DisabledProven] {
        let one = story.make(state).await;
        assert!(story.patch(&one, json!({"issuer": other.url, "clientSecret": "another"})).await);
        let after = state.after(ConnectionVerb::Repoint).expect("it can be");
        assert_eq!(story.state(&one).await, after);
        // And back again it has to be proven once more.
        assert!(story.patch(&one, json!({"issuer": story.provider.url, "clientSecret": "s"})).await);
        assert_eq!(story.state(&one).await, after);
    }
    other.stop().await;
    story.stop().await;
}
