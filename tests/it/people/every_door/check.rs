//! What the tenant is, beside what is written down of it; and what its identity backend tells.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use aws_lc_rs::hmac;
use futures_util::future::join3;
use policy_core::TenantRole;
use serde_json::{Value, json};
use tests::Reply;

use super::deeds::Switch;
use super::record::{Invitation, User};
use super::site::Site;

type Rows = BTreeSet<String>;

/// What is there.
pub(super) struct Found {
    pub(super) users: Vec<Value>,
    invitations: Vec<Value>,
    quotas: Value,
}

impl Found {
    /// Used and reserved.
    fn quota(&self, resource: &str) -> (usize, usize) {
        let all = self.quotas["items"].as_array().expect("a list");
        let one = all.iter().find(|one| one["resource"] == resource).expect("a quota");
        let number = |name: &str| one[name].as_u64().and_then(|number| usize::try_from(number).ok());
        (number("used").expect("a number"), number("reserved").expect("a number"))
    }
}

fn rows(all: &[Value], names: &[&str]) -> Rows {
    let row = |one: &Value| names.iter().map(|name| one[*name].clone()).collect::<Value>().to_string();
    all.iter().map(row).collect()
}

impl Site<'_> {
    /// What happened so far, to be seen again.
    pub(super) fn story(&self) -> String {
        format!("{}:\n  {}", self.slug, self.log.join("\n  "))
    }

    pub(super) async fn listed(&self, what: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.admin.get(&self.path(&format!("/{what}?limit=200{cursor}"))).await.expect(200);
            all.extend(page["items"].as_array().expect("a list").iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    pub(super) async fn found_there(&self) -> Found {
        let quotas = async || self.admin.get(&self.path("/quotas")).await.expect(200);
        let (users, invitations, quotas) =
            join3(self.listed("users"), self.listed("invitations"), quotas()).await;
        Found { users, invitations, quotas }
    }

    /// Users, invitations and seats are those of the record, and the seats that are used are those of the rows.
    pub(super) fn is_as_recorded(&self, found: &Found) {
        let record = &self.record;
        let row = |user: &User| {
            let (id, organization, external) = (user.id, user.organization, &user.external_id);
            let (role, source) = (user.role.name(), user.made_by.as_str());
            json!([id, organization, user.name, external, user.active, role, source]).to_string()
        };
        let wanted: Rows = record.users.iter().map(row).collect();
        let names = ["id", "organizationId", "userName", "externalId", "active", "role", "source"];
        assert_eq!(rows(&found.users, &names), wanted, "users\n{}", self.story());
        let row = |one: &Invitation| {
            json!([one.id, one.kind.as_str(), one.role.name(), one.status.as_str(), one.user]).to_string()
        };
        let wanted: Rows = record.invitations.iter().map(row).collect();
        let names = ["id", "kind", "role", "status", "userId"];
        assert_eq!(rows(&found.invitations, &names), wanted, "invitations\n{}", self.story());
        let (seats, admins) = (found.quota("users"), found.quota("admins"));
        assert_eq!((seats, admins), (record.seats(), record.admins()), "seats\n{}", self.story());
        let active = || found.users.iter().filter(|one| one["active"] == true);
        let admin = |one: &&Value| one["role"] == TenantRole::Admin.name();
        let rows = (active().count(), active().filter(admin).count());
        assert_eq!((seats.0, admins.0), rows, "usage is rows\n{}", self.story());
    }

    /// Zitadel tells that somebody is switched off or on, and it is settled.
    pub(super) async fn is_told(&self, user: &User, switch: Switch) {
        let backend = &self.outside.backend.url;
        let (_, subject) = user.links.iter().find(|(issuer, _)| issuer == backend).expect("a link");
        let kind = if switch == Switch::On { "user.reactivated" } else { "user.deactivated" };
        let body = json!({
            "aggregateID": subject, "aggregateType": "user", "resourceOwner": self.external, "instanceID": "1",
            "version": "v1", "sequence": self.outside.told.fetch_add(1, Ordering::Relaxed) + 1, "event_type": kind,
            "created_at": "2026-11-21T12:00:00Z", "userID": "x", "event_payload": "e30=",
        })
        .to_string();
        let app = &self.outside.app;
        let time = app.clock.now().timestamp();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a-signing-key");
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", platform::crypto::hex(tag.as_ref()));
        let request = app.anyone().request(reqwest::Method::POST, "/api/webhooks/zitadel");
        let request = request.header("zitadel-signature", signature);
        Reply::read(request.header("content-type", "application/json").body(body)).await.expect(200);
        app.operator.inbox_is_through().await;
    }
}
