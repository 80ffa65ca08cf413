//! The one decision about people: who somebody is, where they belong, as what, on whose seat.

use policy_core::TenantRole;
use uuid::Uuid;

use super::claim::{Grant, Groups, Proof, Source, Vouched};
use super::known::{Facts, First, Found, KnownAs, Pending, Person, Policy, RoleFrom};

/// A role, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The role.
    pub role: TenantRole,
    /// Where it comes from.
    pub from: RoleFrom,
    /// What was given here and is left when the sign-in takes its role back; `None`: the policy's default role.
    pub under: Option<TenantRole>,
}

impl Given {
    fn here(role: TenantRole) -> Self {
        Self { role, from: RoleFrom::Local, under: None }
    }

    fn at_sign_in(role: TenantRole, under: Option<TenantRole>) -> Self {
        Self { role, from: RoleFrom::SignIn, under }
    }
}

/// What becomes of the invitation that was made for the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Invitation {
    /// There is none.
    #[default]
    None,
    /// It is accepted, and its seat is theirs.
    Accepted(Uuid),
    /// Its seat is theirs; its role waits for the mailed token.
    SeatOnly(Uuid),
}

/// What becomes of the identities and sessions that an account has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They are the same person's.
    Stay,
    /// They end: the account was made with an address for which nothing stood, and now comes who proves it.
    End,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Their account is switched off.
    Deactivated,
    /// Their directory removed them.
    Departed,
    /// The account with their address is somebody's whom the same source calls by another subject.
    OtherSubject,
    /// Their organization's people come in by its connections only.
    Enforced,
    /// Their organization takes nobody of their address' domain.
    DomainRefused,
    /// Their organization makes no users at a sign-in.
    NotProvisioned,
    /// Several people may be meant, or an account has their address that nobody has proven.
    Ambiguous,
    /// They belong to another organization than the one that is named.
    OtherOrganization,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is this user, as before; with another role, if the provider's groups say so.
    Known {
        /// Who.
        user: Uuid,
        /// The role that they get.
        role: Option<Given>,
        /// What becomes of their invitation.
        invitation: Invitation,
    },
    /// It is this user, whom the source comes with for the first time.
    Linked {
        /// Who.
        user: Uuid,
        /// The role that they get.
        role: Option<Given>,
        /// What becomes of their invitation.
        invitation: Invitation,
        /// What becomes of those who came in as this user before.
        others: Others,
    },
    /// Somebody new.
    Created {
        /// Where.
        organization: Uuid,
        /// As what.
        role: Given,
        /// What becomes of their invitation.
        invitation: Invitation,
    },
    /// Somebody who must prove it first.
    MustProve(Proof),
    /// Nobody whom we let in.
    Refused(Reason),
}

/// Decides. The first rule that speaks has the word.
pub fn decide(facts: &Facts) -> Decision {
    if facts.claim.source == Source::Directory {
        return pushed(facts);
    }
    by_identity(facts)
        .or_else(|| by_subject(facts))
        .or_else(|| departed_themselves(facts))
        .or_else(|| by_address(facts))
        .or_else(|| left(facts, facts.claim.organization))
        .or_else(|| invited(facts))
        .or_else(|| left_anywhere(facts))
        .unwrap_or_else(|| new(facts))
}

impl Facts {
    fn policy(&self, organization: Uuid) -> Policy {
        self.policies.get(&organization).cloned().unwrap_or_default()
    }

    /// Whether the organization is the one that is meant, if one is.
    fn means(&self, organization: Uuid) -> bool {
        self.claim.organization.is_none_or(|named| named == organization)
    }

    fn people(&self, found: impl Fn(Found) -> bool) -> impl Iterator<Item = &Person> {
        self.known.people.iter().filter(move |person| found(person.found))
    }
}

/// The refusal, if the policy of the organization doesn't let them in.
fn refused_by_policy(facts: &Facts, organization: Uuid) -> Option<Decision> {
    let policy = facts.policy(organization);
    if !policy.admits_source(&facts.claim.source) {
        return Some(Decision::Refused(Reason::Enforced));
    }
    let comes = matches!(facts.claim.source, Source::Connection { .. } | Source::Issuer(_));
    if comes && !policy.admits_domain(facts.claim.domain.as_deref()) {
        return Some(Decision::Refused(Reason::DomainRefused));
    }
    None
}

/// The identity decides alone.
fn by_identity(facts: &Facts) -> Option<Decision> {
    let person = facts.people(|found| found == Found::Identity).next()?;
    if !person.active {
        return Some(Decision::Refused(Reason::Deactivated));
    }
    if !facts.means(person.organization) {
        return Some(Decision::Refused(Reason::OtherOrganization));
    }
    let (role, invitation) = role_and_invitation(facts, person);
    let known = Decision::Known { user: person.id, role, invitation };
    Some(refused_by_policy(facts, person.organization).unwrap_or(known))
}

/// Who left is still who left, though their address may be somebody else's by now.
fn departed_themselves(facts: &Facts) -> Option<Decision> {
    let left = facts.known.departed_themselves.iter().any(|organization| facts.means(*organization));
    (left && facts.claim.grant.is_none()).then_some(Decision::Refused(Reason::Departed))
}

/// Then the directory's subject: it names one person, or nobody.
fn by_subject(facts: &Facts) -> Option<Decision> {
    let named = || facts.people(|found| found == Found::Subject).filter(|one| facts.means(one.organization));
    let mut active = named().filter(|person| person.active);
    match (active.next(), active.next()) {
        (Some(person), None) => {
            Some(refused_by_policy(facts, person.organization).unwrap_or_else(|| link(facts, person)))
        }
        (Some(_), Some(_)) => Some(Decision::Refused(Reason::Ambiguous)),
        (None, _) => named().next().map(|_| Decision::Refused(Reason::Deactivated)),
    }
}

/// Then the address: it finds a person, and links them only if something stands for it.
fn by_address(facts: &Facts) -> Option<Decision> {
    let there: Vec<&Person> = facts
        .people(|found| !matches!(found, Found::Identity | Found::Subject))
        .filter(|person| person.active && facts.means(person.organization))
        .collect();
    let managed = there.iter().find(|person| person.managed).map(|person| person.organization);
    let organizations = there.iter().map(|person| person.organization);
    let organization = match placed(facts, managed, organizations) {
        Placed::Nowhere => return None,
        Placed::In(organization) => organization,
        Placed::Ambiguous => return Some(Decision::Refused(Reason::Ambiguous)),
    };
    let here = || there.iter().filter(|person| person.organization == organization);
    let best = here().map(|person| person.found).min();
    // Whose name it is was switched off; that somebody else has it as an address, too, makes them nobody else.
    let is_off = |person: &&Person| !person.active && person.organization == organization;
    let off = facts.known.people.iter().filter(is_off).map(|person| person.found).min();
    if off.is_some() && off <= best {
        return Some(Decision::Refused(Reason::Deactivated));
    }
    let mut best = here().filter(|person| Some(person.found) == best);
    match (best.next(), best.next()) {
        (Some(person), None) => {
            Some(refused_by_policy(facts, organization).unwrap_or_else(|| link(facts, person)))
        }
        _ => Some(Decision::Refused(Reason::Ambiguous)),
    }
}

/// In which of several organizations somebody is looked for.
enum Placed {
    Nowhere,
    In(Uuid),
    Ambiguous,
}

/// The directory's, else the domain's, else `default`, else the only one.
fn placed(facts: &Facts, managed: Option<Uuid>, organizations: impl Iterator<Item = Uuid> + Clone) -> Placed {
    let Some(first) = organizations.clone().next() else { return Placed::Nowhere };
    if organizations.clone().all(|one| one == first) {
        return Placed::In(first);
    }
    [managed, facts.home.of_domain, facts.home.default]
        .into_iter()
        .flatten()
        .find(|wanted| organizations.clone().any(|one| one == *wanted))
        .map_or(Placed::Ambiguous, Placed::In)
}

/// Whether an account is theirs who come. Addresses change hands: an account that the source calls by another subject is somebody
/// else's, whatever is proven.
fn link(facts: &Facts, person: &Person) -> Decision {
    let claim = &facts.claim;
    let proof = Decision::MustProve(Proof::Account(person.id));
    let others = if person.doubtful { Others::End } else { Others::Stay };
    if let Some(grant) = &claim.grant {
        let others = if grant.signed_in == Some(person.id) { Others::Stay } else { others };
        let (role, invitation) = granted(facts, grant, person.organization);
        return Decision::Linked { user: person.id, role: raised(facts, person, role), invitation, others };
    }
    match person.known_as {
        KnownAs::Other => return Decision::Refused(Reason::OtherSubject),
        KnownAs::Before if claim.proven != Some(Proof::Account(person.id)) => return proof,
        KnownAs::Before | KnownAs::Nobody => {}
    }
    let is_theirs = match claim.vouched {
        Vouched::Mail | Vouched::Domain => true,
        Vouched::Word => person.accepted || person.found == Found::Subject,
        Vouched::Nothing => person.found == Found::Subject,
    };
    if !is_theirs {
        return proof;
    }
    let (role, invitation) = role_and_invitation(facts, person);
    // The directory says who it is: no address is part of that.
    let others = if person.found == Found::Subject { Others::Stay } else { others };
    Decision::Linked { user: person.id, role, invitation, others }
}

/// What somebody who is there already becomes: their groups give and take back, and an invitation that they prove to be theirs raises
/// what that leaves.
fn role_and_invitation(facts: &Facts, person: &Person) -> (Option<Given>, Invitation) {
    let groups = by_groups(facts, person);
    let pending = facts.known.pending.iter().find(|one| one.organization == person.organization);
    let Some(pending) = pending.filter(|_| facts.claim.vouched > Vouched::Nothing) else {
        return (groups, Invitation::None);
    };
    let mut grouped = person.clone();
    if let Some(Given { role, from, under }) = groups {
        (grouped.role, grouped.role_from, grouped.under) = (role, from, under);
    }
    (raised(facts, &grouped, pending.role).or(groups), Invitation::Accepted(pending.id))
}

/// An invitation raises a role, and what is left when the sign-in takes its role back, and lowers neither; what a directory's group gives
/// stays the group's.
fn raised(facts: &Facts, person: &Person, role: TenantRole) -> Option<Given> {
    let left = left_of(facts, person);
    match person.role_from {
        RoleFrom::Directory => None,
        RoleFrom::Local => role.outranks(person.role).then_some(Given::here(role)),
        RoleFrom::SignIn if role.outranks(person.role) => Some(Given::here(role.or_higher(left))),
        RoleFrom::SignIn => role.outranks(left).then_some(Given::at_sign_in(person.role, Some(role))),
    }
}

/// What somebody has when the sign-in takes its role back: what was given here, or the organization's default role.
fn left_of(facts: &Facts, person: &Person) -> TenantRole {
    person.under.unwrap_or(facts.policy(person.organization).default_role)
}

/// The role that an admin let somebody in with. Whom they let in by approving a request may have been invited meanwhile: the higher role
/// counts, and the invitation's seat is theirs.
fn granted(facts: &Facts, grant: &Grant, organization: Uuid) -> (TenantRole, Invitation) {
    if let Some(invitation) = grant.invitation {
        return (grant.role, Invitation::Accepted(invitation));
    }
    match facts.known.pending.iter().find(|one| one.organization == organization) {
        Some(pending) => (grant.role.or_higher(pending.role), Invitation::Accepted(pending.id)),
        None => (grant.role, Invitation::None),
    }
}

/// What the provider's groups make of somebody whom their sign-in made, and the tenant's own backend of anybody.
fn by_groups(facts: &Facts, person: &Person) -> Option<Given> {
    let said = said(facts, person.organization)?;
    let by_backend = matches!(facts.claim.groups, Groups::Role(_));
    let theirs = by_backend || person.made_at_sign_in || person.role_from == RoleFrom::SignIn;
    // What somebody here gave, where the sign-in's role stands above it or would.
    let under = match person.role_from {
        RoleFrom::Local => Some(person.role),
        RoleFrom::SignIn => person.under,
        RoleFrom::Directory => return None,
    };
    if !theirs {
        return None;
    }
    // What the backend says raises what somebody here gave, and doesn't lower it.
    let said = said.filter(|role| !by_backend || under.is_none_or(|under| role.outranks(under)));
    let given = match (said, person.role_from) {
        (Some(role), _) => Given::at_sign_in(role, under),
        (None, RoleFrom::SignIn) => Given::here(left_of(facts, person)),
        (None, RoleFrom::Local | RoleFrom::Directory) => return None,
    };
    (given.role != person.role || given.from != person.role_from).then_some(given)
}

/// Somebody whom their directory switched off or removed comes back by its word, or by an admin's newer one, and by no other door.
fn left(facts: &Facts, organization: Option<Uuid>) -> Option<Decision> {
    let organization = organization.or(home(facts))?;
    let here = |person: &&Person| !person.active && person.organization == organization;
    if facts.known.people.iter().any(|person| here(&person)) {
        return Some(Decision::Refused(Reason::Deactivated));
    }
    // An admin who lets somebody in knows whom.
    let departed = facts.claim.source != Source::Approval && facts.known.departed.contains(&organization);
    departed.then_some(Decision::Refused(Reason::Departed))
}

/// The same, of any organization of the tenant, for whom none of them has.
fn left_anywhere(facts: &Facts) -> Option<Decision> {
    if facts.claim.grant.is_some() || facts.known.people.iter().any(|person| person.active) {
        return None;
    }
    match (facts.known.people.is_empty(), facts.known.departed.is_empty()) {
        (false, _) => Some(Decision::Refused(Reason::Deactivated)),
        (true, false) => Some(Decision::Refused(Reason::Departed)),
        (true, true) => None,
    }
}

/// Then an invitation: whoever proves its address accepts it, by whichever door.
fn invited(facts: &Facts) -> Option<Decision> {
    let claim = &facts.claim;
    if let (Some(grant), Some(organization)) = (&claim.grant, claim.organization) {
        let (role, invitation) = granted(facts, grant, organization);
        let made = Decision::Created { organization, role: Given::here(role), invitation };
        return Some(refused_by_policy(facts, organization).unwrap_or(made));
    }
    let pending: Vec<&Pending> =
        facts.known.pending.iter().filter(|one| facts.means(one.organization)).collect();
    let organizations = pending.iter().map(|one| one.organization);
    let wanted = match placed(facts, None, organizations) {
        Placed::Nowhere => return None,
        Placed::In(organization) => Some(organization),
        Placed::Ambiguous => None,
    };
    let pending = pending.into_iter().find(|one| wanted.is_none_or(|wanted| wanted == one.organization))?;
    let organization = pending.organization;
    if let Some(refused) = refused_by_policy(facts, organization) {
        return Some(refused);
    }
    if claim.vouched == Vouched::Nothing {
        return Some(Decision::MustProve(Proof::Invitation(pending.id)));
    }
    let invited = Given::here(pending.role);
    let grouped = of_groups(facts, organization, Some(invited.role));
    let grouped = grouped.filter(|grouped| grouped.role.outranks(invited.role));
    let invitation = Invitation::Accepted(pending.id);
    Some(Decision::Created { organization, role: grouped.unwrap_or(invited), invitation })
}

fn of_groups(facts: &Facts, organization: Uuid, under: Option<TenantRole>) -> Option<Given> {
    said(facts, organization)?.map(|role| Given::at_sign_in(role, under))
}

/// The role that the source's groups give there, or that it names itself; `None`: it says nothing of it, and nothing follows.
fn said(facts: &Facts, organization: Uuid) -> Option<Option<TenantRole>> {
    match &facts.claim.groups {
        Groups::NotSaid => None,
        Groups::Said(groups) => Some(facts.policy(organization).role(groups)),
        Groups::Role(role) => Some(*role),
    }
}

/// Where somebody new belongs: where they are named, else where their domain does, if something stands for their address.
fn home(facts: &Facts) -> Option<Uuid> {
    let of_domain = facts.home.of_domain.filter(|_| facts.claim.vouched > Vouched::Nothing);
    facts.claim.organization.or(of_domain).or(facts.home.default)
}

/// Nobody knows them.
fn new(facts: &Facts) -> Decision {
    let Some(organization) = home(facts) else { return Decision::Refused(Reason::NotProvisioned) };
    if let Some(refused) = refused_by_policy(facts, organization) {
        return refused;
    }
    let policy = facts.policy(organization);
    if !policy.jit {
        return Decision::Refused(Reason::NotProvisioned);
    }
    let role = match facts.first {
        First::Runs => Given::here(TenantRole::Admin),
        First::No => of_groups(facts, organization, None)
            .unwrap_or(Given::here(facts.claim.role.unwrap_or(policy.default_role))),
    };
    Decision::Created { organization, role, invitation: Invitation::None }
}

/// What a directory makes of somebody new. The seat that an invitation holds is for this person, whoever brings them; what the invitation
/// gives is theirs only if the address is the directory's to speak for.
fn pushed(facts: &Facts) -> Decision {
    let claim = &facts.claim;
    let Some(organization) = claim.organization else { return Decision::Refused(Reason::NotProvisioned) };
    let pending = facts.known.pending.iter().find(|one| one.organization == organization);
    let plain = Given::here(claim.role.unwrap_or(TenantRole::Viewer));
    let (role, invitation) = match pending {
        None => (plain, Invitation::None),
        Some(pending) if claim.vouched >= Vouched::Domain && pending.of_claim => {
            (Given::here(pending.role), Invitation::Accepted(pending.id))
        }
        Some(pending) => (plain, Invitation::SeatOnly(pending.id)),
    };
    Decision::Created { organization, role, invitation }
}
