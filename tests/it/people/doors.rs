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
    In { role: Value, user: Value },
    Refused { status: u16, why: Value },
}

impl End {
    /// In words; `known`: the user whom they should be.
    fn told(&self, known: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self {
            Self::In { role, user } => {
                let who = if user == known { "known" } else { "new" };
                format!("200 {}, {who}", text(role))
            }
            Self::Refused { status, why } => format!("{status} {}", text(why)),
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
    async fn prepare(&self, door: Door, situation: Situation, who: &str) -> Value {
        let (stage, email) = (&self.stage, address(who));
        let (own, eng) = (&stage.acme.scim, &self.eng);
        let named = json!({"userName": email, "externalId": who});
        match situation {
            Situation::Unknown => Value::Null,
            Situation::Invited => {
                stage.invite(&email, "contributor").await;
                Value::Null
            }
            Situation::Accepted => self.accepted(&email).await,
            Situation::SwitchedOffByAdmin => {
                let user = self.accepted(&email).await;
                stage.edit(&user, json!({"active": false})).await;
                user
            }
            Situation::KnownByAnotherSubject => {
                let before = self.come(door, &format!("{who}-before"), &email).await;
                assert!(matches!(before, End::In { .. }), "{before:?}");
                Value::Null
            }
            Situation::Pushed => pushed(own, json!({"userName": email})).await,
            Situation::PushedUnderAnotherName => {
                pushed(own, json!({"userName": format!("u-{who}"), "emails": [{"value": email}]})).await
            }
            Situation::NamedByDirectory => pushed(own, named).await,
            Situation::NamedByAnotherDirectory => pushed(eng, named).await,
            Situation::SwitchedOffByDirectory => switched_off(own, named).await,
            Situation::SwitchedOffByAnotherDirectory => switched_off(eng, named).await,
            Situation::RemovedByDirectory => removed(own, named).await,
            Situation::RemovedByAnotherDirectory => removed(eng, named).await,
        }
    }

    async fn accepted(&self, email: &str) -> Value {
        self.stage.invite(email, "contributor").await;
        self.stage.accept(email).await.expect(200)["userId"].clone()
    }

    /// Comes with an address that was checked.
    async fn come(&self, door: Door, subject: &str, email: &str) -> End {
        let claims = self.stage.claims(subject, email);
        let reply = match door {
            Door::Issuer => self.stage.exchange(&claims).await,
            Door::Gateway => self.stage.by_gateway(subject, &[(EMAIL, email), (VERIFIED, "true")]).await,
            Door::Module => self.by_module(&self.stage.issuer.sign(&claims)).await,
        };
        let (status, body) = (reply.status.as_u16(), reply.json());
        match (status, body["access_token"].as_str()) {
            (200, Some(token)) => {
                let claims = claims_of(token);
                End::In { role: claims["roles"][0].clone(), user: claims["sub"].clone() }
            }
            (200, None) => {
                let user = &body["user"];
                End::In { role: user["role"].clone(), user: user["id"].clone() }
            }
            (status, _) => {
                let why = body.get("detail").or(body.get("error_description"));
                End::Refused { status, why: why.unwrap_or_else(|| panic!("{}", reply.text)).clone() }
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

async fn pushed(directory: &Client, body: Value) -> Value {
    directory.post(USERS, body).await.expect(201)["id"].clone()
}

async fn switched_off(directory: &Client, body: Value) -> Value {
    let id = pushed(directory, body).await;
    let change = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
    let one = format!("{USERS}/{}", id.as_str().expect("an id"));
    directory.patch(&one, change).await.expect(200);
    id
}

async fn removed(directory: &Client, body: Value) -> Value {
    let id = pushed(directory, body).await;
    let one = format!("{USERS}/{}", id.as_str().expect("an id"));
    assert_eq!(directory.delete(&one).await.status, 204);
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
            ends.push(doors.come(door, &who, &address(&who)).await.told(&known));
        }
        let same = ends.iter().all(|one| *one == ends[0] && one.starts_with(end));
        assert!(same, "{situation:?} comes to {end:?}: {ends:?}");
    }
    doors.stage.stop().await;
}
