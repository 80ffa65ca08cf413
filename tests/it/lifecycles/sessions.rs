//! Sessions: refreshed, ended, over.

use chrono::TimeDelta;
use entity::sessions::session;
use entity::sessions::states::{SessionState, SessionVerb};
use platform::View;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use tests::{Exchanged, Issuer, TestApp};
use uuid::Uuid;

use super::*;

struct Sessions {
    app: TestApp,
    issuer: Issuer,
    tenant: Uuid,
}

struct Session {
    id: Uuid,
    user: String,
    refresh: String,
}

impl Sessions {
    async fn start() -> Self {
        let (app, issuer) = (app().await, Issuer::start());
        issuer.register(&app.operator).await;
        let tenant = app.tenant("acme").await.id.parse().expect("an id");
        Self { app, issuer, tenant }
    }

    async fn stop(self) {
        self.app.stop().await;
        self.issuer.stop().await;
    }

    async fn refresh(&self, session: &Session) -> Reply {
        let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh.as_str())];
        self.app.anyone().form("/oauth2/token", &form).await
    }

    async fn end(&self, session: &Session) -> Reply {
        self.app.operator.delete(&format!("/api/v1/tenants/acme/sessions/{}", session.id)).await
    }
}

impl Story for Sessions {
    type State = SessionState;
    type Verb = SessionVerb;
    type One = Session;

    fn states(&self) -> Vec<SessionState> {
        SessionState::ALL.to_vec()
    }

    fn verbs(&self) -> Vec<SessionVerb> {
        SessionVerb::ALL.to_vec()
    }

    fn after(&self, state: SessionState, verb: SessionVerb) -> Option<SessionState> {
        state.after(verb)
    }

    async fn make(&self, state: SessionState) -> Session {
        let (mut claims, now) = (self.issuer.claims("ann", "org_acme"), self.app.clock.now().timestamp());
        claims["iat"] = now.into();
        claims["exp"] = (now + 300).into();
        let made: Exchanged = self.app.operator.exchange(&self.issuer.sign(&claims)).await.found();
        let session = Session {
            id: crate::sso::claims(&made.token)["sid"].as_str().expect("a session").parse().expect("an id"),
            user: made.user.id,
            refresh: made.refresh_token,
        };
        match state {
            SessionState::Live => {}
            SessionState::Over => self.app.clock.advance(TimeDelta::days(31)),
            SessionState::Ended => assert!(done(&self.end(&session).await)),
        }
        session
    }

    async fn act(&self, session: &Session, verb: SessionVerb) -> bool {
        match verb {
            SessionVerb::Refresh => done(&self.refresh(session).await),
            SessionVerb::End => done(&self.end(session).await),
        }
    }

    async fn state(&self, session: &Session) -> SessionState {
        let find = async |view: &View| {
            view.one(view.select::<session::Entity>().filter(session::Column::Id.eq(session.id))).await
        };
        let row = self.app.running.service.db.read(self.tenant, find).await.expect("the store answers");
        row.expect("a session").state(self.app.clock.now())
    }
}

#[actix_web::test]
async fn a_session_goes_where_its_table_says() {
    let story = Sessions::start().await;
    walk(&story, 1).await;
    story.stop().await;
}

/// A refresh token counts once, so of many that race one at most is taken.
#[actix_web::test]
async fn a_session_that_ended_is_refreshed_no_more() {
    let story = Sessions::start().await;
    let operator = &story.app.operator;
    let session = story.make(SessionState::Live).await;
    let (refreshed, ended) =
        both(async || story.refresh(&session).await, async || story.end(&session).await).await;
    assert!(refreshed <= 1 && ended == WIDE / 2, "{refreshed} {ended}");
    assert_eq!(story.state(&session).await, SessionState::Ended);
    assert_eq!(story.refresh(&session).await.status, 400);
    // The same where its person is switched off, and after they are on again.
    let session = story.make(SessionState::Live).await;
    let user = format!("/api/v1/tenants/acme/users/{}", session.user);
    let off = async || operator.patch(&user, json!({"active": false})).await;
    let (refreshed, off) = both(async || story.refresh(&session).await, off).await;
    assert!(refreshed <= 1 && off == WIDE / 2, "{refreshed} {off}");
    operator.patch(&user, json!({"active": true})).await.expect(200);
    assert_eq!(story.refresh(&session).await.status, 400);
    story.stop().await;
}
