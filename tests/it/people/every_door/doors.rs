//! The doors, and what each carries of somebody who comes by it: one table.

use entity::invitations::states::InvitationKind;
use identity_core::{Grant, Groups, Proof, Source};
use policy_core::TenantRole;

use super::expected::Made;
use super::facts::Said;
use super::random::Random;
use super::record::{Invitation, Protocol, Record};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Door {
    /// The exchange, with a token of a registered issuer.
    Issuer,
    /// The exchange, by what a gateway says in headers.
    Gateway,
    /// A module's exchange (RFC 8693), with a token of a registered issuer.
    Module,
    /// The exchange, with a token of the tenant's own identity backend.
    Backend,
    /// The exchange, with an ID token of a connection.
    IdToken,
    /// A browser, by OpenID Connect.
    Oidc,
    /// A browser, by SAML.
    Saml,
    /// A browser that goes to the sign-in with the token of an invitation, by OpenID Connect.
    OidcByLink,
    /// The same, by SAML.
    SamlByLink,
    /// The page of an invitation.
    Page,
    /// The same, as an API.
    Api,
    /// A domain whose people join.
    Join,
    /// A domain whose people ask to.
    Approval,
    /// The directory makes somebody.
    Push,
}

pub(super) const DOORS: [Door; 14] = [
    Door::Issuer,
    Door::Gateway,
    Door::Module,
    Door::Backend,
    Door::IdToken,
    Door::Oidc,
    Door::Saml,
    Door::OidcByLink,
    Door::SamlByLink,
    Door::Page,
    Door::Api,
    Door::Join,
    Door::Approval,
    Door::Push,
];

impl Door {
    /// The connection by which a browser comes.
    pub(super) fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Oidc | Self::OidcByLink => Some(Protocol::Oidc),
            Self::Saml | Self::SamlByLink => Some(Protocol::Saml),
            _ => None,
        }
    }

    /// Whether somebody who was removed is told so there, and not only that they are switched off.
    pub(super) fn tells_why(self) -> bool {
        self.protocol().is_none() && self != Self::Page
    }

    /// Whether a mailed token is redeemed there.
    pub(super) fn redeems(self) -> bool {
        matches!(self, Self::Page | Self::Api | Self::Join | Self::Approval)
    }
}

/// As whom they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// As the directory calls them.
    Theirs,
    Another,
}

/// How a directory names somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether the user name is the address, and not another one beside it.
    pub(super) by_address: bool,
    pub(super) external: Option<Subject>,
    pub(super) active: bool,
}

/// What is said at a door that lets one choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) subject: Subject,
    pub(super) address: bool,
    pub(super) verified: Option<bool>,
    /// One of the two that is named.
    pub(super) organization: Option<usize>,
    pub(super) groups: Option<&'static str>,
    /// The role that the tenant's own backend, or a gateway, says.
    pub(super) role: Option<TenantRole>,
    pub(super) form: Form,
}

impl Words {
    /// What is said mostly.
    pub(super) fn plain() -> Self {
        let form = Form { by_address: true, external: Some(Subject::Theirs), active: true };
        Self {
            subject: Subject::Theirs,
            address: true,
            verified: Some(true),
            organization: None,
            groups: None,
            role: None,
            form,
        }
    }

    pub(super) fn drawn(random: &mut Random) -> Self {
        let (theirs, another) = (Subject::Theirs, Subject::Another);
        let form = Form {
            by_address: random.below(3) > 0,
            external: random.pick(&[None, Some(theirs), Some(theirs), Some(another)]),
            active: !random.once_in(8),
        };
        Self {
            subject: random.pick(&[theirs, theirs, theirs, another]),
            address: !random.once_in(8),
            verified: random.pick(&[Some(true), Some(true), Some(false), None]),
            organization: random.pick(&[None, None, None, Some(0), Some(1)]),
            groups: random.pick(&[None, None, Some("staff"), Some("others")]),
            role: random.pick(&[None, Some(TenantRole::Contributor), Some(TenantRole::Guest)]),
            form,
        }
    }
}

/// Somebody.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) address: String,
    /// Their accounts, as the doors made them.
    pub(super) users: Vec<uuid::Uuid>,
    /// How often a code was mailed to them.
    pub(super) codes: usize,
}

impl Person {
    pub(super) fn subject(&self, subject: Subject) -> String {
        match subject {
            Subject::Theirs => self.name.clone(),
            Subject::Another => format!("{}-b", self.name),
        }
    }

    /// The newest of their tokens that is of this kind.
    pub(super) fn token<'a>(
        &self,
        record: &'a Record,
        kind: impl Fn(InvitationKind) -> bool,
    ) -> Option<&'a Invitation> {
        record.invitations.iter().rev().find(|one| one.email == self.address && kind(one.kind))
    }
}

/// Who signs for whom at the doors of this tenant.
pub(super) struct Issuers<'a> {
    pub(super) registered: &'a str,
    /// The tenant's own backend's, if it has one.
    pub(super) backend: Option<&'a str>,
}

/// What a door carries. `None`: it is not there for this person.
pub(super) fn said(
    record: &Record,
    issuers: &Issuers<'_>,
    (door, person, words): (Door, &Person, &Words),
) -> Option<Said> {
    let address = words.address.then_some(person.address.as_str());
    let subject = Some(person.subject(words.subject));
    let of_operator = |issuer: &str| {
        let said = Said::by(Source::Issuer(issuer.to_owned())).with_address(address);
        let organization = words.organization.map(|at| record.organizations[at]);
        Said { subject: subject.clone(), verified: words.verified, organization, first_runs: true, ..said }
    };
    let of_connection = |protocol: Protocol, verified: Option<bool>| {
        let connection = record.connection(protocol)?;
        let source = Source::Connection { id: connection.id, provider: connection.provider.clone() };
        let groups = words.groups.map_or(Groups::NotSaid, |group| Groups::Said(vec![group.to_owned()]));
        let organization = Some(connection.organization);
        let said = Said::by(source).with_address(address);
        Some(Said { subject: subject.clone(), verified, organization, groups, ..said })
    };
    let by_link = |said: Said| {
        let invitation = person.token(record, |_| true)?;
        let proves = invitation.is_pending() && invitation.is_personal() && said.address.is_some();
        let proven = proves.then_some(Proof::Invitation(invitation.id));
        Some(Said { proven, brings: Some(invitation.id), ..said })
    };
    match door {
        Door::Issuer | Door::Module => Some(of_operator(issuers.registered)),
        Door::Gateway => Some(Said { role: words.role, ..of_operator("gateway") }),
        Door::Backend => Some(Said { groups: Groups::Role(words.role), ..of_operator(issuers.backend?) }),
        Door::IdToken | Door::Oidc => of_connection(Protocol::Oidc, words.verified),
        Door::Saml => of_connection(Protocol::Saml, None),
        Door::OidcByLink => by_link(of_connection(Protocol::Oidc, words.verified)?),
        Door::SamlByLink => by_link(of_connection(Protocol::Saml, None)?),
        Door::Page | Door::Api => granted(person.token(record, |kind| kind != InvitationKind::Request)?),
        Door::Join => granted(person.token(record, |kind| kind == InvitationKind::Join)?),
        Door::Approval => {
            let asked = person.token(record, |kind| kind == InvitationKind::Request)?;
            let grant = Grant { invitation: None, role: asked.role, signed_in: None };
            Some(Said { source: Source::Approval, grant: Some(grant), ..granted(asked)? })
        }
        Door::Push => {
            Some(pushed(record.organizations[words.organization.unwrap_or(0)], (person, words.form)))
        }
    }
}

/// By the token of an invitation.
fn granted(invitation: &Invitation) -> Option<Said> {
    let grant = Grant { invitation: Some(invitation.id), role: invitation.role, signed_in: None };
    let said = Said::by(Source::Invitation).with_address(Some(&invitation.email));
    let (organization, brings) = (Some(invitation.organization), Some(invitation.id));
    Some(Said { organization, brings, grant: Some(grant), ..said })
}

fn pushed(organization: uuid::Uuid, (person, form): (&Person, Form)) -> Said {
    let said = Said::by(Source::Directory).with_address(Some(&person.address));
    let made = made((Door::Push, person), form);
    Said {
        subject: form.external.map(|external| person.subject(external)),
        organization: Some(organization),
        role: Some(TenantRole::Viewer),
        names: made.name.into_iter().chain(made.emails.unwrap_or_default()).collect(),
        ..said
    }
}

/// What a new user would be made of.
pub(super) fn made((door, person): (Door, &Person), form: Form) -> Made {
    let address = person.address.clone();
    let active = form.active;
    match (door, form.by_address) {
        (Door::Push, true) => Made { name: Some(address), emails: Some(Vec::new()), active },
        (Door::Push, false) => {
            Made { name: Some(format!("u-{}", person.name)), emails: Some(vec![address]), active }
        }
        _ => Made { name: None, emails: None, active: true },
    }
}
