//! SCIM tokens: used, followed by another, taken back.

use chrono::TimeDelta;
use entity::scim::states::{TokenState, TokenVerb};
use entity::scim::token;
use platform::View;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use tests::{ScimToken, TestApp};
use uuid::Uuid;

use super::*;

struct Tokens {
    app: TestApp,
    tenant: Uuid,
}

struct Token {
    path: String,
    id: Uuid,
    directory: Client,
}

impl Tokens {
    async fn start() -> Self {
        let app = app().await;
        let body = json!({"slug": "acme", "name": "Acme", "plan": "enterprise"});
        let tenant = app.tenant_with(body).await.id.parse().expect("an id");
        Self { app, tenant }
    }
}

impl Story for Tokens {
    type State = TokenState;
    type Verb = TokenVerb;
    type One = Token;

    fn states(&self) -> Vec<TokenState> {
        TokenState::ALL.to_vec()
    }

    fn verbs(&self) -> Vec<TokenVerb> {
        TokenVerb::ALL.to_vec()
    }

    fn after(&self, state: TokenState, verb: TokenVerb) -> Option<TokenState> {
        state.after(verb)
    }

    async fn make(&self, state: TokenState) -> Token {
        let path = format!("{}/scim-tokens", organization(&self.app.operator).await);
        let until = self.app.clock.now() + TimeDelta::days(1);
        let body = json!({"name": "t", "expiresAt": until});
        let made: ScimToken = self.app.operator.post(&path, body).await.created();
        let id = made.id;
        let token = Token {
            path: format!("{path}/{id}"),
            id: id.parse().expect("an id"),
            directory: self.app.operator.with(made.token.expect("a token")),
        };
        match state {
            TokenState::Live => {}
            TokenState::Replaced => assert!(self.act(&token, TokenVerb::Rotate).await),
            TokenState::Over => self.app.clock.advance(TimeDelta::days(2)),
            TokenState::Revoked => assert!(self.act(&token, TokenVerb::Revoke).await),
        }
        token
    }

    async fn act(&self, token: &Token, verb: TokenVerb) -> bool {
        match verb {
            TokenVerb::Use => done(&token.directory.get("/scim/v2/Users?count=0").await),
            TokenVerb::Rotate => {
                let overlap = json!({"overlapSeconds": 3600});
                let reply = self.app.operator.post(&format!("{}/rotate", token.path), overlap).await;
                done_or(reply, 409, "scim_token.revoked")
            }
            TokenVerb::Revoke => done(&self.app.operator.delete(&token.path).await),
        }
    }

    async fn state(&self, token: &Token) -> TokenState {
        let find = async |view: &View| {
            view.one(view.select::<token::Entity>().filter(token::Column::Id.eq(token.id))).await
        };
        let row = self.app.running.service.db.read(self.tenant, find).await.expect("the store answers");
        row.expect("a token").state(self.app.clock.now())
    }
}

#[actix_web::test]
async fn a_scim_token_goes_where_its_table_says() {
    let story = Tokens::start().await;
    walk(&story, 1).await;
    story.app.stop().await;
}

#[actix_web::test]
async fn uses_of_a_scim_token_its_successors_and_its_end_are_explained_by_an_order() {
    let story = Tokens::start().await;
    race_all(&story, TokenVerb::ALL, 1).await;
    story.app.stop().await;
}

/// One whose overlap is nothing ends with its successor's beginning.
#[actix_web::test]
async fn a_revoked_scim_token_has_no_successor_after_it() {
    let story = Tokens::start().await;
    let token = story.make(TokenState::Live).await;
    let operator = &story.app.operator;
    let (rotated, revoked) = both(
        async || operator.post(&format!("{}/rotate", token.path), json!({"overlapSeconds": 0})).await,
        async || operator.delete(&token.path).await,
    )
    .await;
    assert_eq!(revoked, WIDE / 2);
    let (list, _) = token.path.rsplit_once('/').expect("a path");
    let all: Vec<ScimToken> = operator.get(&format!("{list}?limit=200")).await.items();
    let live = all.iter().filter(|one| one.revoked_at.is_none()).count();
    assert_eq!(live, rotated, "each rotation that succeeded left one, and none came after the end");
    story.app.stop().await;
}
