//! The same facts come to the same end at every door: by a registered issuer, by a gateway, by a module's token exchange (RFC 8693).

use super::*;
use crate::sso::{Module, claims as claims_of, module};

#[derive(Clone, Copy, Debug)]
enum Door {
    Issuer,
    Gateway,
    Module,
}

/// How somebody stands before they come.
#[derive(Clone, Copy, Debug)]
enum Situation {
    Unknown,
    Invited,
    Accepted,
    SwitchedOffByAdmin,
    KnownByAnotherSubject,
    Pushed,
    PushedUnderAnotherName,
    NamedByDirectory,
    NamedByAnotherDirectory,
    SwitchedOffByDirectory,
    SwitchedOffByAnotherDirectory,
    RemovedByDirectory,
    RemovedByAnotherDirectory,
}

/// What each comes to. Who is invited comes before the directory is first used: from then on nobody is invited by hand.
const ENDS: [(Situation, &str); 13] = [
    (Situation::Unknown, "200 viewer, new"),
    (Situation::Invited, "200 contributor, new"),
    (Situation::Accepted, "200 contributor, known"),
    (Situation::SwitchedOffByAdmin, "403 The user is deactivated."),
    (Situation::KnownByAnotherSubject, "409 The account with this address is linked to another subject"),
    (Situation::Pushed, "409 A user or an invitation has this e-mail"),
    (Situation::PushedUnderAnotherName, "409 A user or an invitation has this e-mail"),
    (Situation::NamedByDirectory, "200 viewer, known"),
    (Situation::NamedByAnotherDirectory, "200 viewer, known"),
    (Situation::SwitchedOffByDirectory, "403 The user is deactivated."),
    (Situation::SwitchedOffByAnotherDirectory, "403 The user is deactivated."),
    (Situation::RemovedByDirectory, "403 The organization's directory removed this person"),
    (Situation::RemovedByAnotherDirectory, "403 The organization's directory removed this person"),
];

/// What came of somebody's coming.
#[derive(Debug)]
enum End {
    In { role: String, user: String },
    Refused { status: u16, why: String },
}

impl End {
    /// In words; `known`: the user whom they should be.
    fn told(&self, known: Option<&str>) -> String {
        match self {
            Self::In { role, user } => {
                let who = if Some(user.as_str()) == known { "known" } else { "new" };
                format!("200 {role}, {who}")
            }
            Self::Refused { status, why } => format!("{status} {why}"),
        }
    }
}

struct Doors {
    stage: Stage,
    module: Module,
    /// The directory of an organization beside `default`.
    eng: Client,
}

fn address(who: &str) -> String {
    format!("{who}@x.test")
}

impl Doors {
    /// Brings about how somebody stands; answers the user whom they should be.
    async fn prepare(&self, door: Door, situation: Situation, who: &str) -> Option<String> {
        let (stage, email) = (&self.stage, address(who));
        let (own, eng) = (&stage.acme.scim, &self.eng);
        let named = json!({"userName": email, "externalId": who});
        match situation {
            Situation::Unknown => None,
            Situation::Invited => {
                stage.invite(&email, "contributor").await;
                None
            }
            Situation::Accepted => Some(self.accepted(&email).await),
            Situation::SwitchedOffByAdmin => {
                let user = self.accepted(&email).await;
                stage.edit(&user, json!({"active": false})).await;
                Some(user)
            }
            Situation::KnownByAnotherSubject => {
                let before = self.come(door, &format!("{who}-before"), &email).await;
                assert!(matches!(before, End::In { .. }), "{before:?}");
                None
            }
            Situation::Pushed => Some(pushed(own, json!({"userName": email})).await),
            Situation::PushedUnderAnotherName => {
                let body = json!({"userName": format!("u-{who}"), "emails": [{"value": email}]});
                Some(pushed(own, body).await)
            }
            Situation::NamedByDirectory => Some(pushed(own, named).await),
            Situation::NamedByAnotherDirectory => Some(pushed(eng, named).await),
            Situation::SwitchedOffByDirectory => Some(switched_off(own, named).await),
            Situation::SwitchedOffByAnotherDirectory => Some(switched_off(eng, named).await),
            Situation::RemovedByDirectory => Some(removed(own, named).await),
            Situation::RemovedByAnotherDirectory => Some(removed(eng, named).await),
        }
    }

    async fn accepted(&self, email: &str) -> String {
        self.stage.invite(email, "contributor").await;
        self.stage.accept(email).await.found::<Invitation>().user_id.expect("a user")
    }

    /// Comes with an address that was checked.
    async fn come(&self, door: Door, subject: &str, email: &str) -> End {
        let claims = self.stage.claims(subject, email);
        let reply = match door {
            Door::Issuer => self.stage.exchange(&claims).await,
            Door::Gateway => self.stage.by_gateway(subject, &[(EMAIL, email), (VERIFIED, "true")]).await,
            Door::Module => self.by_module(&self.stage.issuer.sign(&claims)).await,
        };
        match (reply.status.as_u16(), door) {
            (200, Door::Module) => {
                let claims = claims_of(&reply.found::<Tokens>().access_token);
                let role = claims["roles"][0].as_str().expect("a role").to_owned();
                End::In { role, user: text(&claims, "sub") }
            }
            (200, Door::Issuer | Door::Gateway) => {
                let user = reply.found::<Exchanged>().user;
                End::In { role: user.role, user: user.id }
            }
            (status, _) => {
                let body = reply.json();
                let why = body["detail"].as_str().or(body["error_description"].as_str());
                End::Refused { status, why: why.unwrap_or_else(|| panic!("{}", reply.text)).to_owned() }
            }
        }
    }

    async fn by_module(&self, token: &str) -> Reply {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("client_id", &self.module.id),
            ("client_secret", &self.module.secret),
        ];
        self.stage.app.anyone().form("/oauth2/token", &form).await
    }
}

async fn pushed(directory: &Client, body: Value) -> String {
    directory.post(USERS, body).await.created_id()
}

async fn switched_off(directory: &Client, body: Value) -> String {
    let id = pushed(directory, body).await;
    let change = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
    directory.patch(&format!("{USERS}/{id}"), change).await.expect(200);
    id
}

async fn removed(directory: &Client, body: Value) -> String {
    let id = pushed(directory, body).await;
    assert_eq!(directory.delete(&format!("{USERS}/{id}")).await.status, 204);
    id
}

#[actix_web::test]
async fn the_same_facts_come_to_the_same_end_at_every_door() {
    let stage = Stage::set().await;
    let module = module(&stage.app, "app", json!({})).await;
    let (_, eng) = stage.organization("eng").await;
    let doors = Doors { stage, module, eng };
    for (situation, end) in ENDS {
        let mut ends = Vec::new();
        for door in [Door::Issuer, Door::Gateway, Door::Module] {
            let who = format!("{situation:?}-{door:?}").to_lowercase();
            let known = doors.prepare(door, situation, &who).await;
            ends.push(doors.come(door, &who, &address(&who)).await.told(known.as_deref()));
        }
        let same = ends.iter().all(|one| *one == ends[0] && one.starts_with(end));
        assert!(same, "{situation:?} comes to {end:?}: {ends:?}");
    }
    doors.stage.stop().await;
}
