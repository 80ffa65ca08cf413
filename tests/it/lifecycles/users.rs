//! People of a directory: by whose word they come in and by whose they don't.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use chrono::TimeDelta;
use entity::directory::states::{Source, UserState, UserVerb};
use entity::directory::{departed, user};
use entity::inbox::event;
use platform::config::Config;
use platform::{Ctx, PlatformView, Timestamp, Tx, View, Work as _};
use reqwest::Method;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use tests::{
    Exchanged, Issuer, Organization, Restore, ScimToken, ScimUser, SearchResults, TestApp, Zitadel,
    eventually,
};
use uuid::Uuid;

use super::*;

const USERS: &str = "/scim/v2/Users";
const RESTORES: &str = "directory-restores";

/// Who keeps a person: whom their directory keeps, no admin switches on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kept {
    Here,
    ByDirectory,
}

/// A tenant that is an org of Zitadel's: each person in an organization of their own, which can be put back to what it was.
struct Users {
    app: TestApp,
    zitadel: Zitadel,
    issuer: Issuer,
    tenant: Uuid,
    /// The claim that names the tenant.
    claim: String,
    /// The number of Zitadel's last event.
    sequence: AtomicU64,
}

/// Somebody, and the moments of their life.
struct Person {
    path: String,
    organization: Uuid,
    directory: Client,
    subject: String,
    id: String,
    before: Timestamp,
    active: Timestamp,
    off: Timestamp,
}

impl Person {
    fn address(&self) -> String {
        format!("{}@example.com", self.subject)
    }
}

impl Users {
    async fn start(adjust: impl FnOnce(&mut Config)) -> Self {
        let (zitadel, issuer) = (Zitadel::start(), Issuer::start());
        let app = TestApp::with(|config| {
            config.rate_limit.enabled = false;
            config.section_mut::<tenancy::Limits>().organizations = 1_000;
            zitadel.configure(config, &zitadel.url);
            adjust(config);
        })
        .await;
        let body =
            json!({"slug": "acme", "name": "Acme", "plan": "enterprise", "identity": {"backend": "zitadel"}});
        let tenant = app.operator.active_tenant(body).await.id.parse().expect("an id");
        // Here an issuer that signs for Zitadel.
        let claim = issuer.stand_in(&app.operator).await;
        Self { app, zitadel, issuer, tenant, claim, sequence: AtomicU64::new(1) }
    }

    async fn stop(self) {
        // One that races another word about the same person may be refused for good.
        self.app.stop_with_dead_letters(&["directory.restore"]).await;
        self.issuer.stop().await;
        self.zitadel.stop().await;
    }

    async fn exchange(&self, subject: &str, path: &str) -> Reply {
        let mut claims = self.issuer.claims(subject, "nothing");
        claims[self.claim.as_str()] = self.tenant.to_string().into();
        let organization = path.rsplit('/').next();
        let body = json!({"subjectToken": self.issuer.sign(&claims), "organization": organization});
        decided(&self.app.operator, Method::POST, "/api/internal/sso/exchange", &body).await
    }

    /// Zitadel tells something about somebody, and it is settled.
    async fn tell(&self, person: &Person, kind: &str) -> bool {
        let sequence = self.sequence.fetch_add(1, Ordering::SeqCst);
        let body = json!({
            "aggregateID": person.subject, "aggregateType": "user", "resourceOwner": self.tenant.to_string(),
            "instanceID": "1", "version": "v1", "sequence": sequence, "event_type": kind,
            "created_at": "2026-11-21T12:00:00Z", "userID": "x", "event_payload": "e30=",
        })
        .to_string();
        let time = self.app.clock.now().timestamp();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a-signing-key");
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", platform::crypto::hex(tag.as_ref()));
        let anyone = self.app.anyone();
        let request = anyone.request(Method::POST, "/api/webhooks/zitadel");
        let request = request.header("zitadel-signature", signature);
        Reply::read(request.header("content-type", "application/json").body(body)).await.expect(200);
        let id = format!("1:{}:{sequence}", person.subject);
        eventually("it to be processed", async || {
            let find = async |view: &PlatformView| {
                view.one(view.platform::<event::Entity>().filter(event::Column::Id.eq(&id))).await
            };
            let event = self.app.running.service.db.read_platform(find).await.expect("the store answers");
            event?.processed_at.map(|_| true)
        })
        .await
    }

    /// The directory has somebody as active or not, whether they were there or not, and goes on until it is so.
    async fn push(&self, person: &Person, active: bool) -> bool {
        let scim = &person.directory;
        let patch = json!({"Operations": [{"op": "replace", "value": {"active": active, "externalId": person.subject}}]});
        let (name, subject) = (person.address(), person.subject.as_str());
        let body =
            json!({"userName": name, "externalId": subject, "active": active, "emails": [{"value": name}]});
        eventually("the directory to be heard", async || {
            let reply = match self.found(person).await {
                Some(id) => decided(scim, Method::PATCH, &format!("{USERS}/{id}"), &patch).await,
                None => decided(scim, Method::POST, USERS, &body).await,
            };
            // Somebody else made or removed them meanwhile.
            if matches!(reply.status.as_u16(), 404 | 409) {
                return None;
            }
            assert!(done(&reply), "{}", reply.text);
            Some(true)
        })
        .await
    }

    async fn found(&self, person: &Person) -> Option<String> {
        let filter = format!("userName eq \"{}\"", person.address());
        let found: SearchResults<ScimUser> = person.directory.find(USERS, &filter).await.results();
        found.resources.into_iter().next().map(|one| one.id)
    }

    async fn remove(&self, person: &Person) -> bool {
        eventually("the directory to be heard", async || {
            let Some(id) = self.found(person).await else { return Some(false) };
            let reply =
                decided(&person.directory, Method::DELETE, &format!("{USERS}/{id}"), &json!({})).await;
            // Somebody else removed them a moment ago: perhaps they are there again.
            (reply.status != 404).then(|| done(&reply))
        })
        .await
    }

    /// An admin switches somebody on or off.
    async fn switch(&self, person: &Person, active: bool) -> bool {
        let path = format!("/api/v1/tenants/acme/users/{}", person.id);
        let reply = self.app.operator.patch(&path, json!({"active": active})).await;
        if reply.status == 404 {
            return false;
        }
        done_or(reply, 409, "user.managed")
    }

    async fn invite(&self, person: &Person) -> bool {
        let organization = person.path.rsplit('/').next();
        let body = json!({"email": person.address(), "role": "viewer", "organization": organization});
        let post = async || self.app.operator.post("/api/v1/tenants/acme/invitations", body.clone()).await;
        let mut reply = post().await;
        if reply.code().as_deref() == Some("invitation.directory_managed") {
            let tokens = format!("{}/scim-tokens", person.path);
            for token in self.app.operator.get(&tokens).await.items::<ScimToken>() {
                self.app.operator.delete(&format!("{tokens}/{}", token.id)).await;
            }
            reply = post().await;
        }
        // They are invited already.
        reply.code().as_deref() == Some("invitation.pending") || done_or(reply, 409, "invitation.member")
    }

    /// The directory goes back to a moment; a second one at the same time is refused.
    async fn put_back(&self, person: &Person, moment: Timestamp) -> bool {
        let path = format!("{}/{RESTORES}", person.path);
        let begun = self.app.operator.post(&path, json!({"moment": moment})).await;
        assert!(matches!(begun.status.as_u16(), 202 | 409), "{}", begun.text);
        eventually("the restore to end", async || {
            let all: Vec<Restore> = self.app.operator.get(&path).await.items();
            (!all.iter().any(|one| one.status == "running")).then_some(true)
        })
        .await
    }

    async fn row(&self, person: &Person) -> Option<user::Model> {
        let find = async |view: &View| {
            let select = view.select::<user::Entity>();
            view.one(select.filter(user::Column::OrganizationId.eq(person.organization))).await
        };
        self.app.running.service.db.read(self.tenant, find).await.expect("the store answers")
    }

    async fn is_remembered(&self, person: &Person) -> bool {
        let find = async |view: &View| {
            let select = view.select::<departed::Entity>();
            view.one(select.filter(departed::Column::OrganizationId.eq(person.organization))).await
        };
        self.app.running.service.db.read(self.tenant, find).await.expect("the store answers").is_some()
    }

    /// As a row of before it was noted who switched somebody off.
    async fn forget_by_whom(&self, person: &Person) {
        let row = self.row(person).await.expect("a user");
        let work = async |tx: &mut Tx| {
            tx.housekeeping();
            tx.update(user::Model { deactivated_by: None, ..row.clone() }).await
        };
        let db = &self.app.running.service.db;
        db.write(&Ctx::system("test"), self.tenant, work).await.expect("the store does it");
    }

    /// Somebody who came by themselves, was switched off by an admin, and on again.
    async fn person(&self) -> Person {
        let operator = &self.app.operator;
        let path = organization(operator).await;
        let organization = operator.get(&path).await.found::<Organization>().id.parse().expect("an id");
        let token =
            operator.post(&format!("{path}/scim-tokens"), json!({"name": "idp"})).await.created_token();
        let subject = format!("p{}", platform::ids::new().simple());
        let now = || self.app.clock.now();
        let before = now();
        self.zitadel.user(&self.tenant.to_string(), &subject, "USER_STATE_ACTIVE");
        let came: Exchanged = self.exchange(&subject, &path).await.found();
        let mut person = Person {
            directory: operator.with(token),
            id: came.user.id,
            path,
            organization,
            subject,
            before,
            active: now(),
            off: now(),
        };
        assert!(self.switch(&person, false).await);
        person.off = now();
        assert!(self.switch(&person, true).await);
        person
    }
}

impl Story for Users {
    type State = (UserState, Kept);
    type Verb = UserVerb;
    type One = Person;

    fn states(&self) -> Vec<(UserState, Kept)> {
        use UserState::{Active, Nobody, Off, OffByAdmin, OffByBackend, OffByDirectory, Removed};
        let here = [Nobody, Active, OffByAdmin, OffByBackend, Off, Removed].map(|state| (state, Kept::Here));
        let there = [Active, OffByDirectory, OffByAdmin, OffByBackend, Off];
        here.into_iter().chain(there.map(|state| (state, Kept::ByDirectory))).collect()
    }

    fn verbs(&self) -> Vec<UserVerb> {
        // The comparison is asked by the clock: it has a story of its own.
        UserVerb::ALL.iter().copied().filter(|verb| *verb != UserVerb::Found).collect()
    }

    /// The table, and that a directory's own people are the directory's to switch.
    fn after(&self, (state, kept): (UserState, Kept), verb: UserVerb) -> Option<(UserState, Kept)> {
        let is_admins = matches!(verb, UserVerb::Activate | UserVerb::Deactivate);
        let is = state.after(verb).filter(|_| !is_admins || kept == Kept::Here)?;
        let kept = match (verb, is) {
            (_, UserState::Nobody | UserState::Removed) => Kept::Here,
            (UserVerb::Push | UserVerb::Withdraw, _) => Kept::ByDirectory,
            _ => kept,
        };
        Some((is, kept))
    }

    async fn make(&self, (state, kept): (UserState, Kept)) -> Person {
        let person = self.person().await;
        if kept == Kept::ByDirectory && state != UserState::OffByAdmin {
            assert!(self.push(&person, true).await);
        }
        match state {
            UserState::Active => {}
            UserState::Nobody => assert!(self.put_back(&person, person.before).await),
            UserState::Removed => assert!(self.remove(&person).await),
            UserState::OffByDirectory => assert!(self.push(&person, false).await),
            UserState::OffByBackend => assert!(self.tell(&person, "user.deactivated").await),
            UserState::Off => {
                assert!(self.tell(&person, "user.deactivated").await);
                self.forget_by_whom(&person).await;
            }
            UserState::OffByAdmin => {
                assert!(self.switch(&person, false).await);
                if kept == Kept::ByDirectory {
                    assert!(self.push(&person, false).await);
                }
            }
        }
        person
    }

    async fn act(&self, person: &Person, verb: UserVerb) -> bool {
        match verb {
            UserVerb::Come => {
                done_or(self.exchange(&person.subject, &person.path).await, 403, "user.deactivated")
            }
            UserVerb::Deactivate => self.switch(person, false).await,
            UserVerb::Activate => self.switch(person, true).await,
            UserVerb::Invite => self.invite(person).await,
            UserVerb::Withdraw => self.push(person, false).await,
            UserVerb::Push => self.push(person, true).await,
            UserVerb::Remove => self.remove(person).await,
            UserVerb::DeactivateByBackend => self.tell(person, "user.deactivated").await,
            UserVerb::ActivateByBackend => self.tell(person, "user.reactivated").await,
            UserVerb::PutBack => self.put_back(person, person.active).await,
            UserVerb::PutBackOff => self.put_back(person, person.off).await,
            UserVerb::PutBackGone => self.put_back(person, person.before).await,
            UserVerb::Found => panic!("the clock does that"),
        }
    }

    async fn state(&self, person: &Person) -> (UserState, Kept) {
        let row = self.row(person).await;
        let kept = match row.as_ref().map(|row| row.source) {
            Some(Source::Scim) => Kept::ByDirectory,
            _ => Kept::Here,
        };
        let state = match row {
            Some(row) => row.state(),
            None if self.is_remembered(person).await => UserState::Removed,
            None => UserState::Nobody,
        };
        (state, kept)
    }

    fn answer(&self, verb: UserVerb) -> Answer {
        use UserVerb::{ActivateByBackend, DeactivateByBackend, PutBack, PutBackGone, PutBackOff};
        match verb {
            DeactivateByBackend | ActivateByBackend | PutBack | PutBackOff | PutBackGone => {
                Answer::SaysNothing
            }
            _ => Answer::Tells,
        }
    }
}

#[actix_web::test]
async fn a_user_goes_where_the_table_says() {
    let story = Users::start(|_| ()).await;
    walk(&story, 8).await;
    story.stop().await;
}

#[actix_web::test]
async fn of_two_words_about_a_user_some_order_explains_what_is() {
    let story = Users::start(|_| ()).await;
    // Where a directory keeps the people no admin invites: which of them comes first is decided by who may, not here.
    let directory = [UserVerb::Push, UserVerb::Withdraw, UserVerb::Remove];
    let mut pairs = pairs(&story, &story.verbs());
    pairs.retain(|(_, pair)| {
        !(pair.contains(&UserVerb::Invite) && directory.iter().any(|verb| pair.contains(verb)))
    });
    race_pairs(&story, pairs, 4).await;
    story.stop().await;
}

/// They were changed after the moment, and removed after that: by what they came in stands with their removal.
#[actix_web::test]
async fn whom_a_restore_brings_back_comes_in_as_before() {
    let story = Users::start(|_| ()).await;
    let person = story.make((UserState::Removed, Kept::Here)).await;
    assert!(story.put_back(&person, person.active).await);
    let came: Exchanged = story.exchange(&person.subject, &person.path).await.found();
    assert_eq!(came.user.id, person.id);
    story.stop().await;
}

/// Whom Zitadel has as active when it is compared: each in another state.
#[actix_web::test]
async fn the_comparison_brings_back_only_whom_the_backend_cut_off() {
    let story = Users::start(|config| {
        config.section_mut::<backends::Settings>().zitadel.reconcile = Duration::from_secs(1)
    })
    .await;
    let mut people = Vec::new();
    for state in story.states() {
        people.push((state, story.make(state).await));
    }
    // Whoever was switched off a moment ago may be told of before they are listed.
    story.app.clock.advance(TimeDelta::minutes(2));
    eventually("the comparison", async || {
        for (state, person) in &people {
            let wanted = story.after(*state, UserVerb::Found);
            if wanted.is_some() && Some(story.state(person).await) != wanted {
                return None;
            }
        }
        Some(())
    })
    .await;
    // Once more, for those whom it must leave alone.
    story.zitadel.is_compared_again(&story.tenant.to_string()).await;
    for (state, person) in &people {
        let wanted = story.after(*state, UserVerb::Found).unwrap_or(*state);
        assert_eq!(story.state(person).await, wanted, "{state:?}");
    }
    story.stop().await;
}
