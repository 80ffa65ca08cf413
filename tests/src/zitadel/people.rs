//! What people do at Zitadel's own pages, and their admins at its console.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use jsonwebtoken::{Algorithm, Header, encode};
use platform::clock::Clock;
use serde_json::{Value, json};

use super::{Organization, PROJECT, SIGNING_KEY, Zitadel};
use crate::{Client, Reply};

const ACTIVE: &str = "USER_STATE_ACTIVE";
const INITIAL: &str = "USER_STATE_INITIAL";
/// Where Zitadel tells what happens.
const TARGET: &str = "/api/webhooks/zitadel";

/// Somebody of an org.
#[derive(Clone, Default)]
pub(super) struct User {
    /// As Zitadel names it.
    pub(super) state: &'static str,
    email: String,
    name: String,
    /// Roles of the project that are granted to them.
    roles: BTreeSet<String>,
}

impl User {
    /// Somebody whom the API makes, and who is mailed how to set a password if that was asked for.
    pub(super) fn invited(human: &Value) -> Self {
        let text = |path: &str| human.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            state: if human.pointer("/email/sendCode").is_some() { INITIAL } else { ACTIVE },
            email: text("/email/email"),
            name: format!("{} {}", text("/profile/givenName"), text("/profile/familyName")),
            roles: BTreeSet::new(),
        }
    }
}

/// What happens to somebody at Zitadel's console.
#[derive(Clone, Copy, Debug)]
pub enum Happens {
    Deactivated,
    Reactivated,
}

impl Zitadel {
    /// The app of the project at which its people sign in.
    pub const APP: &'static str = "app-1@project-1";

    fn organization<T>(&self, id: &str, change: impl FnOnce(&mut Organization) -> T) -> T {
        change(self.world().organizations.get_mut(id).expect("an org"))
    }

    fn one<T>(&self, organization: &str, id: &str, change: impl FnOnce(&mut User) -> T) -> T {
        self.organization(organization, |found| change(found.users.get_mut(id).expect("a user")))
    }

    /// An admin of the org makes somebody, who sets a password.
    pub fn hire(&self, organization: &str, id: &str, email: &str) {
        let user = User { state: ACTIVE, email: email.to_owned(), name: id.to_owned(), ..User::default() };
        self.organization(organization, |found| found.users.insert(id.to_owned(), user));
    }

    /// Somebody opens the mail that they got when they were made, and sets a password: their address is proven by that. Answers their id.
    pub fn opens_the_mail(&self, organization: &str, email: &str) -> String {
        self.organization(organization, |found| {
            let invited =
                found.users.iter_mut().find(|(_, user)| user.email == email && user.state == INITIAL);
            let (id, user) = invited.unwrap_or_else(|| panic!("no mail went to {email}"));
            user.state = ACTIVE;
            id.clone()
        })
    }

    /// The owner of the project grants a role of it to somebody.
    pub fn grant(&self, organization: &str, id: &str, role: &str) {
        self.one(organization, id, |user| user.roles.insert(role.to_owned()));
    }

    /// And takes it back.
    pub fn take_back(&self, organization: &str, id: &str, role: &str) {
        self.one(organization, id, |user| user.roles.remove(role));
    }

    /// Somebody signs in at the project's app, which gets this ID token; nobody who may not.
    pub fn sign_in(&self, organization: &str, id: &str) -> Option<String> {
        let user = self.one(organization, id, |user| user.clone());
        if user.state != ACTIVE {
            return None;
        }
        let now = Clock::default().now().timestamp();
        // Zitadel names every app of the project and the project itself, and says by `azp` for which app it was made.
        let mut claims = json!({
            "iss": self.url, "sub": id, "aud": [Self::APP, PROJECT], "azp": Self::APP, "iat": now, "exp": now + 300,
            "email": user.email, "email_verified": true, "name": user.name,
            "urn:zitadel:iam:user:resourceowner:id": organization,
        });
        if !user.roles.is_empty() {
            let roles = user.roles.iter().map(|role| (role.clone(), json!({organization: "acme.example"})));
            claims["urn:zitadel:iam:org:project:roles"] = Value::Object(roles.collect());
        }
        let header = Header { kid: Some("z1".to_owned()), ..Header::new(Algorithm::ES256) };
        Some(encode(&header, &claims, &self.key).expect("a token"))
    }

    /// Something happens to somebody, and the service, which is the target of such events, is told.
    pub async fn happens(&self, service: &Client, what: Happens, organization: &str, id: &str) {
        let (kind, state) = match what {
            Happens::Deactivated => ("user.deactivated", "USER_STATE_INACTIVE"),
            Happens::Reactivated => ("user.reactivated", ACTIVE),
        };
        self.one(organization, id, |user| user.state = state);
        let sequence = {
            let mut world = self.world();
            world.events += 1;
            world.events
        };
        let now = Clock::default().now();
        let body = json!({
            "aggregateID": id, "aggregateType": "user", "resourceOwner": organization, "instanceID": "1", "version": "v2",
            "sequence": sequence, "event_type": kind, "created_at": now, "userID": "console", "event_payload": "e30=",
        })
        .to_string();
        let time = now.timestamp();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_KEY.as_bytes());
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", platform::crypto::hex(tag.as_ref()));
        let request =
            service.anonymous().request(reqwest::Method::POST, TARGET).header("zitadel-signature", signature);
        Reply::read(request.header("content-type", "application/json").body(body)).await.expect(200);
    }
}
