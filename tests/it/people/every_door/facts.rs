//! The facts as somebody carries them through a door, by hand: what is said, and what the record knows of it.

use entity::directory::states::Source as MadeBy;
use entity::invitations::states::InvitationStatus;
use identity_core::{
    Claim, DomainOf, Facts, First, Found, Grant, Groups, Home, Known, KnownAs, Pending, Person, Proof,
    Source, Vouched, connection_of, vouched,
};
use policy_core::TenantRole;
use uuid::Uuid;

use super::record::{Mark, Record, User};

/// What a door says of somebody.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) source: Source,
    pub(super) subject: Option<String>,
    pub(super) address: Option<String>,
    /// By which they are looked for: the address, and what else a directory names.
    pub(super) names: Vec<String>,
    pub(super) verified: Option<bool>,
    pub(super) proven: Option<Proof>,
    pub(super) groups: Groups,
    pub(super) organization: Option<Uuid>,
    pub(super) role: Option<TenantRole>,
    pub(super) grant: Option<Grant>,
    /// The invitation whose token they bring along.
    pub(super) brings: Option<Uuid>,
    /// Whether whoever comes first by this door runs the tenant.
    pub(super) first_runs: bool,
}

impl Said {
    pub(super) fn by(source: Source) -> Self {
        Self {
            source,
            subject: None,
            address: None,
            names: Vec::new(),
            verified: None,
            proven: None,
            groups: Groups::NotSaid,
            organization: None,
            role: None,
            grant: None,
            brings: None,
            first_runs: false,
        }
    }

    pub(super) fn with_address(self, address: Option<&str>) -> Self {
        let names = address.map(ToOwned::to_owned).into_iter().collect();
        Self { address: address.map(ToOwned::to_owned), names, ..self }
    }

    fn is_connection(&self) -> bool {
        matches!(self.source, Source::Connection { .. })
    }

    fn means(&self, user: &User) -> bool {
        self.organization.is_none_or(|named| named == user.organization)
    }

    /// Whether the address' domain says anything, from there.
    fn names_its_domain(&self) -> bool {
        match self.source {
            Source::Connection { .. } => self.verified != Some(false),
            Source::Issuer(_) => self.verified == Some(true),
            Source::Directory => true,
            Source::Invitation | Source::Approval => false,
        }
    }
}

/// All that the decision rests on.
pub(super) fn facts(record: &Record, said: &Said) -> Facts {
    let found = found(record, said);
    let again = found.first().is_some_and(|(found, _)| *found == Found::Identity);
    // Who comes again is known; only a proof that they bring along asks what else there is.
    let asks = !again || said.proven.is_some();
    let proven = record.proven.filter(|_| asks && said.address.is_some() && said.names_its_domain());
    let owns = owns(record, said);
    let mut known = if asks { on_record(record, said, owns) } else { Known::default() };
    known.people = people(record, said, &found, owns);
    if let Some(Proof::Account(id)) = said.proven
        && record.user(id).mailbox() != said.address
    {
        known.pending.clear();
    }
    let domain = match proven {
        None => DomainOf::Nobody,
        Some(at) if owns && said.organization.is_none_or(|named| named == at) => DomainOf::Own,
        Some(_) => DomainOf::Tenant,
    };
    let placed = said.organization.is_some() || again;
    let home = Home {
        of_domain: proven.filter(|_| !placed),
        default: Some(record.organizations[0]).filter(|_| !placed),
    };
    let policies = record.policies.iter().map(|(at, policy)| (*at, policy.rules.clone()));
    let pushed = said.source == Source::Directory;
    Facts {
        first: first(record, said, &known),
        claim: Claim {
            source: said.source.clone(),
            subject: said.subject.clone(),
            domain: said.address.as_ref().and_then(|one| Some(one.split_once('@')?.1.to_owned())),
            vouched: match said.proven {
                Some(_) => Vouched::Mail,
                None => vouched(&said.source, said.verified, domain),
            },
            proven: said.proven,
            groups: said.groups.clone(),
            organization: said.organization,
            role: said.role,
            grant: said.grant.clone(),
        },
        known,
        home,
        policies: if pushed { Default::default() } else { policies.collect() },
    }
}

/// Who may be meant, and by what they were found.
fn found<'a>(record: &'a Record, said: &Said) -> Vec<(Found, &'a User)> {
    let issuer = said.source.issuer();
    if let (Some(issuer), Some(subject)) = (&issuer, &said.subject)
        && let Some(user) = record.linked(issuer, subject)
    {
        return vec![(Found::Identity, user)];
    }
    if said.source == Source::Directory {
        return Vec::new();
    }
    let way = |user: &User| {
        let is_subject = said.subject.is_some() && user.external_id == said.subject;
        if is_subject && user.made_by == MadeBy::Scim { Some(Found::Subject) } else { by_address(said, user) }
    };
    record.users.iter().filter_map(|user| Some((way(user)?, user))).collect()
}

fn by_address(said: &Said, user: &User) -> Option<Found> {
    if said.names.contains(&user.name) {
        return Some(Found::Name);
    }
    user.emails.iter().any(|email| said.names.contains(email)).then_some(Found::Address)
}

/// Whether a connection speaks for its organization: the policy names it, or it is the only one.
fn owns(record: &Record, said: &Said) -> bool {
    let (Source::Connection { id, .. }, Some(organization)) = (&said.source, said.organization) else {
        return true;
    };
    match record.policies.get(&organization).and_then(|policy| policy.names) {
        Some(named) => named == *id,
        None => record.connections.iter().filter(|one| one.organization == organization).count() == 1,
    }
}

fn people(record: &Record, said: &Said, found: &[(Found, &User)], owns: bool) -> Vec<Person> {
    let one = |(found, user): &(Found, &User)| {
        let hidden = said.is_connection() && (!owns || !said.means(user));
        let found = match found {
            Found::Subject if hidden => by_address(said, user)?,
            other => *other,
        };
        let accepted = found != Found::Identity && has_accepted(record, said, user);
        Some(Person {
            id: user.id,
            organization: user.organization,
            found,
            active: user.active,
            managed: user.made_by == MadeBy::Scim,
            made_at_sign_in: user.made_by == MadeBy::Jit,
            role: user.role,
            role_from: user.role_from,
            under: user.under,
            known_as: if found == Found::Identity { KnownAs::Nobody } else { known_as(said, user) },
            accepted,
            doubtful: is_doubtful(user) && !accepted,
        })
    };
    let mut people: Vec<Person> = found.iter().filter_map(one).collect();
    people.sort_by_key(|person| (person.found, person.id));
    people
}

fn has_accepted(record: &Record, said: &Said, user: &User) -> bool {
    record.invitations.iter().any(|one| {
        let accepted = one.status == InvitationStatus::Accepted && one.user == Some(user.id);
        accepted && said.names.contains(&one.email)
    })
}

fn known_as(said: &Said, user: &User) -> KnownAs {
    let issuer = said.source.issuer();
    let other = |(one, subject): &(String, String)| {
        Some(one) == issuer.as_ref() && Some(subject) != said.subject.as_ref()
    };
    if user.links.iter().any(other) { KnownAs::Other } else { KnownAs::Nobody }
}

/// Whether nothing stood for the address with which they came in first.
fn is_doubtful(user: &User) -> bool {
    let by_connection = || user.links.iter().any(|(issuer, _)| connection_of(issuer).is_some());
    match user.proof {
        Some(proof) => proof == Vouched::Nothing,
        None => user.made_by == MadeBy::Jit && by_connection(),
    }
}

/// Who left, and who is invited.
fn on_record(record: &Record, said: &Said, owns: bool) -> Known {
    let mut known = Known::default();
    let issuer = said.source.issuer();
    for one in &record.departed {
        match &one.mark {
            Mark::Address(address) if said.names.contains(address) => known.departed.push(one.organization),
            Mark::ExternalId(id) if owns && Some(id) == said.subject.as_ref() => {
                known.departed_themselves.push(one.organization);
            }
            Mark::Identity(by, subject)
                if issuer.as_ref() == Some(by) && said.subject.as_ref() == Some(subject) =>
            {
                known.departed_themselves.push(one.organization);
            }
            Mark::Address(_) | Mark::ExternalId(_) | Mark::Identity(..) => {}
        }
    }
    let pending = record.invitations.iter().filter(|one| one.is_pending() && one.is_personal());
    for one in pending.filter(|one| said.names.contains(&one.email)) {
        let of_claim = said.address.as_ref() == Some(&one.email);
        known.pending.push(Pending { id: one.id, organization: one.organization, role: one.role, of_claim });
    }
    known
}

/// Whether they are the first in a tenant that somebody's coming may make.
fn first(record: &Record, said: &Said, known: &Known) -> First {
    let admin = |one: &super::record::Invitation| one.is_pending() && one.role == TenantRole::Admin;
    let somebody = !record.users.is_empty() || record.invitations.iter().any(admin);
    if said.first_runs && known.people.is_empty() && !somebody { First::Runs } else { First::No }
}
