//! Somebody comes, or something is done about them: each time the end is the one that the facts have, and the tenant is afterwards
//! what the record says.

use std::collections::BTreeSet;

use entity::invitations::states::{InvitationKind, InvitationStatus};
use identity_core::{Decision, Proof};
use policy_core::TenantRole;
use serde_json::{Value, json};
use tests::{ScimToken, eventually};
use uuid::Uuid;

use super::deeds::{self, Deed, Switch};
use super::doors::{Door, Person, Words, made, said};
use super::expected::{self, Code, ENFORCED, End, GONE, OFF, REMOVED, Who, expected};
use super::facts::Said;
use super::record::{Mark, Record, User};
use super::site::{Site, id};
use super::walks::{Came, parsed, scim_code};
use crate::people::USERS;
use crate::sso::text;

/// Codes that are mailed to one address within a day are five.
const CODES_MAX: usize = 4;

impl Site<'_> {
    /// Somebody comes by a door; `None`: it isn't there for them.
    pub(super) async fn comes(&mut self, person: &mut Person, door: Door, words: &Words) -> Option<End> {
        let mailed = matches!(door, Door::Join | Door::Approval);
        if door.protocol().is_some() && person.codes >= CODES_MAX || mailed && !self.asks(person, door).await
        {
            return None;
        }
        let said = said(&self.record, &self.issuers(), (door, person, words))?;
        let before = self.record.clone();
        let (wanted, decision) = self.wanted((door, person, words), &said);
        let came = self.walk(door, &said, words).await;
        let way = if before.organizations[0].is_nil() { "Founding".to_owned() } else { format!("{door:?}") };
        let told = format!("{} comes by {door:?}: {said:?}", person.name);
        self.arrives((person, door), (came, wanted, decision, &said), (before, told, way)).await
    }

    /// How it must end, as the record is from then on.
    fn wanted(
        &mut self,
        (door, person, words): (Door, &Person, &Words),
        said: &Said,
    ) -> (End, Option<Decision>) {
        if door == Door::Push {
            let organization = said.organization.expect("an organization");
            self.record.pushes(organization);
        }
        if door.redeems() {
            let brings = said.brings.expect("a token");
            let invitation = self.record.invitation_mut(brings);
            if !invitation.is_pending() {
                return (End::Refused(GONE), None);
            }
            let (organization, kind) = (invitation.organization, invitation.kind);
            // The organization's people come in by its provider only: the token leads there.
            if self.record.is_enforced(organization) {
                return (End::Refused(ENFORCED), None);
            }
            if kind == InvitationKind::Request {
                self.record.invitation_mut(brings).status = InvitationStatus::Accepted;
            }
        }
        let made = made((door, person), words.form);
        let (end, decision) = expected(&mut self.record, said, &made);
        (end, Some(decision))
    }

    /// It ends as it must, and the tenant is as it must be then. Where a page asks for a code, it is entered.
    async fn arrives(
        &mut self,
        (person, door): (&mut Person, Door),
        (came, wanted, decision, said): (Came, End, Option<Decision>, &Said),
        (before, told, way): (Record, String, String),
    ) -> Option<End> {
        let wanted = match wanted {
            End::Refused(REMOVED) if !door.tells_why() => End::Refused(OFF),
            // There is no page on which to prove anything.
            End::Asked(_) if door.protocol().is_none() => End::Refused(expected::PROVE),
            wanted => wanted,
        };
        if self.tenant.is_empty() {
            self.is_founded().await;
        }
        let found = self.found_there().await;
        let (end, page) = match came {
            Came::In { user, role } => {
                let end = self.is_in(&before, (user, role), (&wanted, &found.users));
                self.holds_anyway((door, said), (&before, &end));
                (end, None)
            }
            // Where the code went is seen by who reads it.
            Came::Asked(page) => match &wanted {
                End::Asked(address) => (End::Asked(address.clone()), Some(page)),
                _ => (End::Asked("somebody".to_owned()), Some(page)),
            },
            Came::Refused(code) => (End::Refused(code), None),
        };
        self.log.push(format!("{told}\n    must: {decision:?}\n    ends: {end:?}"));
        assert_eq!(end, wanted, "{}", self.story());
        *self.ends.entry((way, end.told())).or_default() += 1;
        if let End::In { who, .. } = &end {
            person.users.extend(match who {
                Who::New => self.record.users.last().map(|user| user.id),
                Who::Known(_) => None,
            });
        }
        self.is_as_recorded(&found);
        match page {
            Some(page) => {
                person.codes += 1;
                self.proves(person, *page, (decision, said)).await
            }
            None => Some(end),
        }
    }

    /// Who it is that is in: whoever nobody knew before is written down.
    fn is_in(
        &mut self,
        before: &Record,
        (user, role): (Option<Uuid>, Option<TenantRole>),
        (wanted, listed): (&End, &[Value]),
    ) -> End {
        let is_new = |one: &&Value| !before.users.iter().any(|user| Some(user.id) == parsed(&one["id"]));
        // A page doesn't say who it is: whoever is new, or whom the record has.
        let untold = || match wanted {
            End::In { who: Who::Known(id), .. } => Some(*id),
            _ => listed.iter().find(is_new).and_then(|one| parsed(&one["id"])),
        };
        let user = user.or_else(untold).unwrap_or_else(|| panic!("nobody is in\n{}", self.story()));
        let row = listed.iter().find(|one| parsed(&one["id"]) == Some(user)).expect("a user").clone();
        let has = TenantRole::parse(&text(&row, "role")).expect("a role");
        assert_eq!(role.unwrap_or(has), has, "the door says another role\n{}", self.story());
        if before.users.iter().any(|one| one.id == user) {
            return End::In { who: Who::Known(user), role: has };
        }
        if matches!(wanted, End::In { who: Who::New, .. }) {
            expected::named(&mut self.record, user, &text(&row, "userName"));
        }
        End::In { who: Who::New, role: has }
    }

    /// What holds of whom is let in, whatever is decided.
    fn holds_anyway(&self, (door, said): (Door, &Said), (before, end): (&Record, &End)) {
        let End::In { who, .. } = end else { return };
        let address = said.address.clone().unwrap_or_default();
        match who {
            Who::Known(id) => assert!(before.user(*id).active, "somebody inactive is in\n{}", self.story()),
            Who::New if door == Door::Push => {}
            Who::New => {
                let here = self.record.users.last().expect("a user").organization;
                let is_here = |user: &&User| user.organization == here && user.addresses().contains(&address);
                let twice = before.users.iter().find(is_here);
                assert!(twice.is_none(), "made twice: {twice:?}\n{}", self.story());
                let left = Mark::Address(address);
                let is_left = before.departed.iter().any(|one| one.organization == here && one.mark == left);
                assert!(!is_left || door == Door::Approval, "somebody removed is in\n{}", self.story());
            }
        }
    }

    /// Somebody's coming made the tenant.
    async fn is_founded(&mut self) {
        let path = "/api/v1/tenants?limit=200";
        let all = self.outside.app.operator.get(path).await.expect(200);
        let is = |one: &&Value| one["identity"]["externalId"] == self.external.as_str();
        let made = all["items"].as_array().expect("a list").iter().find(is);
        self.slug = text(made.unwrap_or_else(|| panic!("no tenant\n{}", self.story())), "slug");
        self.found().await;
        for user in &mut self.record.users {
            user.organization = self.record.organizations[0];
        }
    }

    /// Enters the code that was mailed.
    async fn proves(
        &mut self,
        person: &mut Person,
        (mut browser, page): (tests::Browser, tests::Page),
        (decision, said): (Option<Decision>, &Said),
    ) -> Option<End> {
        let Some(Decision::MustProve(proof)) = decision else { panic!("nothing to prove\n{}", self.story()) };
        let to = match proof {
            Proof::Account(user) => self.record.user(user).mailbox().expect("an address"),
            Proof::Invitation(_) => person.address.clone(),
        };
        let code = self.mailed_code(&to).await;
        let said = Said { proven: Some(proof), ..said.clone() };
        let before = self.record.clone();
        let (wanted, decision) =
            expected(&mut self.record, &said, &made((Door::Oidc, person), Words::plain().form));
        let page = browser.submit(&page, &[("code", &code)]).await;
        let came = self.arrived(browser, page).await;
        let told = format!("{} enters the code for {proof:?}", person.name);
        let arrives = self.arrives(
            (person, Door::Oidc),
            (came, wanted, Some(decision), &said),
            (before, told, "Code".to_owned()),
        );
        Box::pin(arrives).await
    }

    /// Somebody asks to join, if they would get a mail.
    async fn asks(&mut self, person: &Person, door: Door) -> bool {
        let Some(organization) = self.joins(person) else { return false };
        let (kind, mode) = match door {
            Door::Join => (InvitationKind::Join, "auto"),
            _ => (InvitationKind::Request, "request"),
        };
        let rule = self.at(self.place(organization), &format!("join-rules/{}", self.domain));
        self.admin.put(&rule, json!({"mode": mode, "role": "contributor"})).await.expect(200);
        let body = json!({"tenant": self.slug, "email": person.address});
        self.outside.app.anyone().post("/api/v1/join", body).await.expect(200);
        let invitation = deeds::invitation(person, (organization, TenantRole::Contributor), kind);
        self.record.invitations.push(invitation);
        self.is_mailed(person).await;
        self.log.push(format!("{} asks to join ({mode})", person.name));
        true
    }

    /// The newest invitation is made, and its token is mailed.
    async fn is_mailed(&mut self, person: &Person) {
        let known: BTreeSet<String> = self.record.invitations.iter().map(|one| one.token.clone()).collect();
        let token = eventually("the invitation's mail", async || {
            let mails = self.outside.app.anyone().mails().await;
            let mut links = mails.iter().filter(|mail| mail.recipient == person.address.as_str());
            links.find_map(|mail| {
                let token = mail.links.first()?.split_once("token=")?.1;
                (!known.contains(token)).then(|| token.to_owned())
            })
        })
        .await;
        let path = self.path(&format!("/invitations?status=pending&email={}", person.address));
        let pending = self.admin.get(&path).await.expect(200);
        let newest = self.record.invitations.last_mut().expect("an invitation");
        let is = |one: &&Value| parsed(&one["organizationId"]) == Some(newest.organization);
        let made = pending["items"].as_array().expect("a list").iter().find(is).expect("an invitation");
        (newest.id, newest.token) = (id(made), token);
    }

    /// Something is done about somebody; `None`: there is nobody to do it to.
    pub(super) async fn does(&mut self, person: &mut Person, deed: Deed) -> Option<End> {
        let way = format!("{deed:?}");
        let done = match deed {
            Deed::Invite(at, role) => self.invites(person, (at, role)).await,
            Deed::EndDirectory(at) => {
                self.ends_directory(at).await;
                self.log.push(way);
                return Some(End::Done);
            }
            _ => {
                let user = self.subject_of(person, deed)?;
                self.changes(&user, (deed, person)).await
            }
        };
        self.log.push(format!("{deed:?} about {}: {done:?}", person.name));
        let found = self.found_there().await;
        self.is_as_recorded(&found);
        let end = done.map_or_else(End::Refused, |()| End::Done);
        *self.ends.entry((way, end.told())).or_default() += 1;
        Some(end)
    }

    async fn invites(&mut self, person: &Person, (at, role): (usize, TenantRole)) -> Result<(), Code> {
        let wanted = deeds::invite(&mut self.record, person, (at, role));
        let body = json!({"email": person.address, "role": role.name(), "organization": Self::slug_of(at)});
        let reply = self.outside.app.operator.post(&self.path("/invitations"), body).await;
        match wanted {
            Ok(()) => {
                reply.expect(201);
                self.is_mailed(person).await;
            }
            Err(code) => {
                assert!(reply.text.contains(code), "must be {code}: {}\n{}", reply.text, self.story())
            }
        }
        wanted
    }

    /// From now on nobody pushes people there: a new directory may.
    async fn ends_directory(&mut self, at: usize) {
        let tokens = self.at(at, "scim-tokens");
        for token in self.admin.get(&tokens).await.items::<ScimToken>() {
            let one = format!("{tokens}/{}", token.id);
            assert_eq!(self.admin.delete(&one).await.status, 204);
        }
        self.directories[at] = self.directory(at).await;
        let organization = self.record.organizations[at];
        self.record.managed.retain(|one| *one != organization);
    }

    /// About which of somebody's accounts it is done: the newest that there is.
    fn subject_of(&self, person: &Person, deed: Deed) -> Option<User> {
        let backend = self.issuers().backend;
        let is_linked = |user: &&User| match deed {
            Deed::Backend(_) => user.links.iter().any(|(issuer, _)| Some(issuer.as_str()) == backend),
            _ => true,
        };
        let mut there = self.record.users.iter().filter(|user| person.users.contains(&user.id));
        there.rfind(is_linked).cloned()
    }

    async fn changes(&mut self, user: &User, (deed, person): (Deed, &Person)) -> Result<(), Code> {
        let at = self.place(user.organization);
        let wanted = deeds::change(&mut self.record, user.id, (deed, &person.name));
        let scim = format!("{USERS}/{}", user.id);
        let value = match deed {
            Deed::Admin(switch) | Deed::Directory(switch) => json!({"active": switch == Switch::On}),
            _ => json!({"externalId": person.name}),
        };
        let reply = match deed {
            Deed::Backend(switch) => {
                self.is_told(user, switch).await;
                return Ok(());
            }
            Deed::Admin(_) => self.admin.patch(&self.path(&format!("/users/{}", user.id)), value).await,
            Deed::Remove => self.directories[at].delete(&scim).await,
            _ => {
                let change = json!({"Operations": [{"op": "replace", "value": value}]});
                self.directories[at].patch(&scim, change).await
            }
        };
        if !matches!(deed, Deed::Admin(_)) {
            self.record.pushes(user.organization);
        }
        match wanted {
            Ok(()) => assert!(reply.status.is_success(), "{}\n{}", reply.text, self.story()),
            Err(code) if matches!(deed, Deed::Admin(_)) => {
                assert!(reply.text.contains(code), "must be {code}: {}\n{}", reply.text, self.story());
            }
            Err(code) => assert_eq!(scim_code(&reply), code, "{}\n{}", reply.text, self.story()),
        }
        wanted
    }
}
