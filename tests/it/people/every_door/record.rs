//! What the test has written down of a tenant: everything on which a decision about people can rest.

use std::collections::BTreeMap;

use entity::directory::states::{DeactivatedBy, Source as MadeBy};
use entity::invitations::states::{InvitationKind, InvitationStatus};
use identity_core::{Policy, RoleFrom, Vouched};
use policy_core::TenantRole;
use uuid::Uuid;

/// Somebody's account.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// Nil until the door has told it.
    pub(super) id: Uuid,
    pub(super) organization: Uuid,
    pub(super) name: String,
    pub(super) emails: Vec<String>,
    pub(super) external_id: Option<String>,
    pub(super) active: bool,
    pub(super) off_by: Option<DeactivatedBy>,
    pub(super) made_by: MadeBy,
    pub(super) role: TenantRole,
    pub(super) role_from: RoleFrom,
    /// What was given here, while the role is a sign-in's.
    pub(super) under: Option<TenantRole>,
    /// Issuer and subject of each sign-in that is known.
    pub(super) links: Vec<(String, String)>,
    /// What stood for the address; `None`: nobody claimed one.
    pub(super) proof: Option<Vouched>,
}

impl User {
    pub(super) fn addresses(&self) -> Vec<String> {
        let mut all = self.emails.clone();
        all.push(self.name.clone());
        all
    }

    /// Where mail to them goes.
    pub(super) fn mailbox(&self) -> Option<String> {
        self.emails.first().cloned().or(Some(self.name.clone()).filter(|name| name.contains('@')))
    }

    pub(super) fn is_admin(&self) -> bool {
        self.active && self.role == TenantRole::Admin
    }
}

#[derive(Clone, Debug)]
pub(super) struct Invitation {
    pub(super) id: Uuid,
    pub(super) organization: Uuid,
    pub(super) email: String,
    pub(super) role: TenantRole,
    pub(super) kind: InvitationKind,
    pub(super) status: InvitationStatus,
    pub(super) user: Option<Uuid>,
    /// Whether it holds a seat.
    pub(super) holds: bool,
    pub(super) token: String,
}

impl Invitation {
    pub(super) fn is_pending(&self) -> bool {
        self.status == InvitationStatus::Pending
    }

    /// Whether whoever proves its address accepts it, by whichever door.
    pub(super) fn is_personal(&self) -> bool {
        self.kind == InvitationKind::Personal
    }
}

/// By what somebody whom a directory removed is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Address(String),
    ExternalId(String),
    Identity(String, String),
}

#[derive(Clone, Debug)]
pub(super) struct Departed {
    pub(super) organization: Uuid,
    pub(super) user: Uuid,
    pub(super) mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Oidc,
    Saml,
}

#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: Uuid,
    pub(super) organization: Uuid,
    pub(super) protocol: Protocol,
    /// OIDC's issuer, SAML's entity id.
    pub(super) provider: String,
}

#[derive(Clone, Debug)]
pub(super) struct SignInPolicy {
    pub(super) rules: Policy,
    /// The connection that is named as the organization's own.
    pub(super) names: Option<Uuid>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// `default`, and another one.
    pub(super) organizations: [Uuid; 2],
    /// Who has proven the domain of everybody's address.
    pub(super) proven: Option<Uuid>,
    pub(super) connections: Vec<Connection>,
    pub(super) policies: BTreeMap<Uuid, SignInPolicy>,
    pub(super) users: Vec<User>,
    /// The oldest first.
    pub(super) invitations: Vec<Invitation>,
    pub(super) departed: Vec<Departed>,
    /// Organizations whose directory has pushed somebody.
    pub(super) managed: Vec<Uuid>,
    /// The limit of seats, while there is one that matters.
    pub(super) limit: Option<usize>,
}

impl Record {
    pub(super) fn user(&self, id: Uuid) -> &User {
        self.users.iter().find(|user| user.id == id).expect("a user")
    }

    pub(super) fn user_mut(&mut self, id: Uuid) -> &mut User {
        self.users.iter_mut().find(|user| user.id == id).expect("a user")
    }

    pub(super) fn invitation_mut(&mut self, id: Uuid) -> &mut Invitation {
        self.invitations.iter_mut().find(|one| one.id == id).expect("an invitation")
    }

    pub(super) fn connection(&self, protocol: Protocol) -> Option<&Connection> {
        self.connections.iter().find(|one| one.protocol == protocol)
    }

    pub(super) fn is_enforced(&self, organization: Uuid) -> bool {
        let policy = self.policies.get(&organization);
        policy.is_some_and(|policy| policy.rules.enforced != identity_core::Enforced::No)
    }

    /// The organization has a directory that is used.
    pub(super) fn pushes(&mut self, organization: Uuid) {
        if !self.managed.contains(&organization) {
            self.managed.push(organization);
        }
    }

    /// Who has come in as this subject of this issuer.
    pub(super) fn linked(&self, issuer: &str, subject: &str) -> Option<&User> {
        let is = |(one, other): &(String, String)| one == issuer && other == subject;
        self.users.iter().find(|user| user.links.iter().any(is))
    }

    /// Seats that are used, and that are held for whom somebody invited.
    pub(super) fn seats(&self) -> (usize, usize) {
        let held = self.invitations.iter().filter(|one| one.holds);
        (self.users.iter().filter(|user| user.active).count(), held.count())
    }

    /// The same, of admins.
    pub(super) fn admins(&self) -> (usize, usize) {
        let held = self.invitations.iter().filter(|one| one.holds && one.role == TenantRole::Admin);
        (self.users.iter().filter(|user| user.is_admin()).count(), held.count())
    }

    /// Whether there would be no admin without this user.
    pub(super) fn is_last_admin(&self, user: &User) -> bool {
        user.is_admin() && self.admins().0 == 1
    }

    pub(super) fn has_room(&self) -> bool {
        let (used, held) = self.seats();
        self.limit.is_none_or(|limit| used + held <= limit)
    }

    /// The directory says goodbye: no pending invitation of these addresses can be accepted any more.
    pub(super) fn end_invitations(&mut self, addresses: &[String]) {
        for one in self.invitations.iter_mut().filter(|one| one.is_pending()) {
            if addresses.contains(&one.email) {
                one.status = InvitationStatus::Revoked;
                one.holds = false;
            }
        }
    }

    /// An admin wants somebody back: who was removed with one of these addresses is remembered no more.
    pub(super) fn forgive(&mut self, organization: Uuid, addresses: &[String]) {
        let named = |one: &&Departed| {
            one.organization == organization
                && matches!(&one.mark, Mark::Address(address) if addresses.contains(address))
        };
        let users: Vec<Uuid> = self.departed.iter().filter(named).map(|one| one.user).collect();
        self.departed.retain(|one| one.organization != organization || !users.contains(&one.user));
    }

    /// The directory has somebody of these addresses again: whom it removed, if it calls them the same; else somebody else.
    pub(super) fn there_again(&mut self, organization: Uuid, addresses: &[String], external: Option<&str>) {
        let same = |one: &&Departed| {
            one.organization == organization
                && matches!(&one.mark, Mark::ExternalId(id) if Some(id.as_str()) == external)
        };
        let users: Vec<Uuid> = self.departed.iter().filter(same).map(|one| one.user).collect();
        self.departed.retain(|one| {
            let of_address = matches!(&one.mark, Mark::Address(address) if addresses.contains(address));
            one.organization != organization || !of_address && !users.contains(&one.user)
        });
    }

    /// The directory removes a user.
    pub(super) fn remove(&mut self, id: Uuid) {
        let at = self.users.iter().position(|user| user.id == id).expect("a user");
        let user = self.users.remove(at);
        let marks = user.addresses().into_iter().map(Mark::Address);
        let marks = marks.chain(user.external_id.clone().map(Mark::ExternalId));
        let identities =
            user.links.iter().map(|(issuer, subject)| Mark::Identity(issuer.clone(), subject.clone()));
        for mark in marks.chain(identities) {
            self.departed.retain(|one| one.organization != user.organization || one.mark != mark);
            self.departed.push(Departed { organization: user.organization, user: user.id, mark });
        }
        self.end_invitations(&user.addresses());
    }
}
