//! What a decision comes to: the end that its person sees, and what the tenant is afterwards.

use entity::directory::states::{DeactivatedBy, Source as MadeBy};
use entity::invitations::states::InvitationStatus;
use identity_core::{Decision, Facts, Given, Invitation, Others, Proof, Reason, Source, decide};
use policy_core::TenantRole;
use uuid::Uuid;

use super::facts::{Said, facts};
use super::record::{Record, User};

/// Refused with this code.
pub(super) type Code = &'static str;

pub(super) const GONE: Code = "invitation.gone";
pub(super) const ENFORCED: Code = "sso.enforced";
pub(super) const FULL: Code = "quota.exceeded";
pub(super) const TAKEN: Code = "user.exists";
pub(super) const PROVE: Code = "sso.link_required";
pub(super) const OFF: Code = "user.deactivated";
/// The same code, with the words that are said of whom their directory removed.
pub(super) const REMOVED: Code = "user.deactivated: removed";

/// Every code that a door may answer with, the longer first where one holds another.
pub(super) const CODES: [Code; 18] = [
    GONE,
    ENFORCED,
    FULL,
    TAKEN,
    PROVE,
    OFF,
    "sso.subject_other",
    "sso.domain_refused",
    "sso.not_provisioned",
    "sso.organization_other",
    "sso.state_unknown",
    "user.last_admin",
    "user.managed",
    "invitation.pending",
    "invitation.member",
    "invitation.directory_managed",
    "invitation.unknown",
    "connection.disabled",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Known(Uuid),
    New,
}

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    In {
        who: Who,
        role: TenantRole,
    },
    /// A code is mailed to this address.
    Asked(String),
    Refused(Code),
    /// Something was done that lets nobody in by itself.
    Done,
}

impl End {
    /// In words that don't depend on who it is.
    pub(super) fn told(&self) -> String {
        match self {
            Self::In { who: Who::New, role } => format!("in, new, {role}"),
            Self::In { who: Who::Known(_), role } => format!("in, known, {role}"),
            Self::Asked(_) => format!("refused, {PROVE}"),
            Self::Refused(code) => format!("refused, {code}"),
            Self::Done => "done".to_owned(),
        }
    }
}

/// What a new user is made of, beside what is said.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) name: Option<String>,
    /// `None`: the address that is said.
    pub(super) emails: Option<Vec<String>>,
    pub(super) active: bool,
}

pub(super) fn code(reason: Reason) -> Code {
    match reason {
        Reason::Deactivated => OFF,
        Reason::Departed => REMOVED,
        Reason::OtherSubject => "sso.subject_other",
        Reason::Enforced => ENFORCED,
        Reason::DomainRefused => "sso.domain_refused",
        Reason::NotProvisioned => "sso.not_provisioned",
        Reason::Ambiguous => PROVE,
        Reason::OtherOrganization => "sso.organization_other",
    }
}

/// Where somebody ends who comes so, and what the tenant is afterwards. Whoever is new has no id yet.
pub(super) fn expected(record: &mut Record, said: &Said, made: &Made) -> (End, Decision) {
    let facts = facts(record, said);
    let decision = decide(&facts);
    let end = match &decision {
        Decision::Refused(reason) => End::Refused(code(*reason)),
        Decision::MustProve(proof) => asked(record, proof),
        _ => {
            let mut after = record.clone();
            match apply(&mut after, (said, made), &facts, &decision) {
                Ok((who, role)) => {
                    *record = after;
                    End::In { who, role }
                }
                Err(code) => End::Refused(code),
            }
        }
    };
    (end, decision)
}

fn asked(record: &Record, proof: &Proof) -> End {
    let address = match proof {
        Proof::Account(id) => record.user(*id).mailbox(),
        Proof::Invitation(id) => {
            record.invitations.iter().find(|one| one.id == *id).map(|one| one.email.clone())
        }
    };
    address.map_or(End::Refused(PROVE), End::Asked)
}

fn proves(proof: Proof, decision: &Decision) -> bool {
    match (proof, decision) {
        (Proof::Account(id), Decision::Known { user, .. } | Decision::Linked { user, .. }) => id == *user,
        (Proof::Invitation(_), Decision::Known { .. }) => true,
        (
            Proof::Invitation(id),
            Decision::Linked { invitation, .. } | Decision::Created { invitation, .. },
        ) => *invitation == Invitation::Accepted(id),
        _ => false,
    }
}

fn apply(
    record: &mut Record,
    (said, made): (&Said, &Made),
    facts: &Facts,
    decision: &Decision,
) -> Result<(Who, TenantRole), Code> {
    if said.proven.is_some_and(|proof| !proves(proof, decision)) {
        return Err("sso.state_unknown");
    }
    let id = match decision {
        Decision::Known { user, role, invitation } => {
            given(record, *user, *role, *invitation);
            *user
        }
        Decision::Linked { user, role, invitation, others } => {
            if *others == Others::End {
                let one = record.user_mut(*user);
                one.links.clear();
                one.proof = Some(facts.claim.vouched);
            }
            given(record, *user, *role, *invitation);
            record.user_mut(*user).links.extend(link(said));
            *user
        }
        Decision::Created { organization, role, invitation } => {
            create(record, (said, made), facts, (*organization, *role, *invitation))?;
            Uuid::nil()
        }
        Decision::MustProve(_) | Decision::Refused(_) => unreachable!("nobody is let in"),
    };
    if !record.has_room() {
        return Err(FULL);
    }
    let who = if id.is_nil() { Who::New } else { Who::Known(id) };
    Ok((who, record.user(id).role))
}

fn link(said: &Said) -> Option<(String, String)> {
    said.source.issuer().zip(said.subject.clone())
}

/// The invitation ends; its seat is free for who comes.
fn consume(record: &mut Record, invitation: Invitation, user: Uuid) {
    match invitation {
        Invitation::None => {}
        Invitation::SeatOnly(id) => record.invitation_mut(id).holds = false,
        Invitation::Accepted(id) => {
            let one = record.invitation_mut(id);
            (one.status, one.user, one.holds) = (InvitationStatus::Accepted, Some(user), false);
        }
    }
}

/// What somebody who was there before gets by coming. The last admin stays one.
fn given(record: &mut Record, user: Uuid, role: Option<Given>, invitation: Invitation) {
    consume(record, invitation, user);
    let Some(given) = role else { return };
    let is_last = record.is_last_admin(record.user(user));
    if given.role == TenantRole::Admin || !is_last {
        let one = record.user_mut(user);
        (one.role, one.role_from, one.under) = (given.role, given.from, given.under);
    }
}

fn create(
    record: &mut Record,
    (said, made): (&Said, &Made),
    facts: &Facts,
    (organization, role, invitation): (Uuid, Given, Invitation),
) -> Result<(), Code> {
    let external_id = said.subject.clone().filter(|_| said.source == Source::Directory);
    let is_left = facts.known.departed.contains(&organization)
        || facts.known.departed_themselves.contains(&organization);
    match said.source {
        Source::Directory if is_left => {
            record.there_again(organization, &said.names, external_id.as_deref());
        }
        _ if is_left => record.forgive(organization, &said.names),
        _ => {}
    }
    let made_by = match (&said.source, invitation) {
        (Source::Directory, _) => MadeBy::Scim,
        (Source::Invitation | Source::Approval, _) | (_, Invitation::Accepted(_)) => MadeBy::Invitation,
        _ => MadeBy::Jit,
    };
    let asserted = said.address.is_some() && said.source != Source::Directory;
    let user = User {
        id: Uuid::nil(),
        organization,
        // Of whom only a subject is known: the product finds a name that is free, and the record learns it.
        name: made.name.clone().or(said.address.clone()).unwrap_or_default(),
        emails: made.emails.clone().unwrap_or(said.address.clone().into_iter().collect()),
        external_id,
        active: made.active,
        off_by: (!made.active).then_some(DeactivatedBy::Directory),
        made_by,
        role: role.role,
        role_from: role.from,
        under: role.under,
        links: link(said).into_iter().collect(),
        proof: asserted.then_some(facts.claim.vouched),
    };
    let same = |one: &User| {
        let same_id = user.external_id.is_some() && one.external_id == user.external_id;
        one.organization == organization && (one.name == user.name || same_id)
    };
    if record.users.iter().any(same) {
        return Err(TAKEN);
    }
    let addresses = user.addresses();
    let active = user.active;
    record.users.push(user);
    if active {
        consume(record, invitation, Uuid::nil());
    } else {
        record.end_invitations(&addresses);
    }
    Ok(())
}

/// Whoever was new is called so from now on.
pub(super) fn named(record: &mut Record, id: Uuid, name: &str) {
    let user = record.user_mut(Uuid::nil());
    user.id = id;
    if user.name.is_empty() {
        user.name = name.to_owned();
    }
    for one in &mut record.invitations {
        if one.user == Some(Uuid::nil()) {
            one.user = Some(id);
        }
    }
}
