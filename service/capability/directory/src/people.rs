//! People: who comes, by whichever door, becomes a user of the tenant, or doesn't. [`identity_core::decide`] decides; here what is
//! known is loaded, under [`platform::rules::Rule::People`], and what was decided is done, in one transaction.

mod apply;
mod departed;
pub(crate) mod invitations;
mod load;
mod persons;
pub(crate) mod policy;

use entity::directory::user;
use identity_core::{Decision, Facts, Grant, Groups, Proof, Reason, Source, decide};
use platform::Tx;
use policy_core::TenantRole;
use quota::Usage;
use scim_core::schema::ResourceType;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{Error, NotAdmitted};

pub(crate) use departed::DEPARTED_DAYS;
pub use departed::{address_of, forgive};
pub(crate) use departed::{addresses, identity_key, leave, renamed, there_again};
pub(crate) use invitations::EVENTS as INVITATION_EVENTS;
pub use invitations::{
    InvitationFacts, accept_invitation, next, open_invitation, proof_of_token, require_open,
    revoke_invitation,
};
pub(crate) use persons::{Candidate, IDENTITIES_MAX, Identity};
pub use policy::{SignInPolicy, sign_in_policy, unset_policy};

/// Whether whoever comes first to a tenant that their coming made runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRuns {
    /// They do (`sso.exchange.auto_provision`).
    Yes,
    /// Nobody does by coming first.
    No,
}

/// What a new user is made of.
#[derive(Debug)]
pub enum Made<'a> {
    /// A name, perhaps, and the address.
    Named(Option<&'a str>),
    /// What the directory sent.
    Pushed(&'a ResourceType, Map<String, Value>),
}

/// Somebody who comes, as a door states it.
#[derive(Debug)]
pub struct Applicant<'a> {
    /// Who vouches for them.
    pub source: Source,
    /// Who they are there.
    pub subject: Option<&'a str>,
    /// Their address, as it was said.
    pub address: Option<&'a str>,
    /// Whether the source says that it checked the address; `None`: it doesn't say.
    pub verified: Option<bool>,
    /// What they proved by a mailed code.
    pub proven: Option<Proof>,
    /// Their groups there.
    pub groups: Groups,
    /// The organization that is meant, if one is.
    pub organization: Option<Uuid>,
    /// What a new user is, where the source may say.
    pub role: Option<TenantRole>,
    /// What an admin gave.
    pub grant: Option<Grant>,
    /// Whether they run the tenant if they are the first.
    pub first: FirstRuns,
    /// What a new user is made of.
    pub made: Made<'a>,
}

impl<'a> Applicant<'a> {
    /// Somebody of whom nothing else is said.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            subject: None,
            address: None,
            verified: None,
            proven: None,
            groups: Groups::NotSaid,
            organization: None,
            role: None,
            grant: None,
            first: FirstRuns::No,
            made: Made::Named(None),
        }
    }
}

/// Somebody who is in.
#[derive(Debug)]
pub struct Admitted {
    /// Who.
    pub user: user::Model,
    /// The policy of their organization.
    pub policy: SignInPolicy,
    /// Of the quota `users`, where they took one.
    pub usage: Option<Usage>,
}

/// What came of somebody's coming.
#[derive(Debug)]
pub enum Outcome {
    /// They are in.
    In(Box<Admitted>),
    /// They must prove something first.
    MustProve(MustProve),
}

/// What somebody must prove, by a code that is mailed.
#[derive(Debug)]
pub struct MustProve {
    /// That this is theirs.
    pub proof: Proof,
    /// Where the code goes.
    pub address: String,
    /// The organization that asks, as far as one was found.
    pub organization: Option<Uuid>,
}

/// Lets somebody in, or says what stands in the way.
///
/// # Errors
/// [`NotAdmitted`], with [`Error::Refused`] for each [`Reason`]; `quota.exceeded`, `billing.seat_blocked`.
pub async fn admit(tx: &mut Tx, applicant: Applicant<'_>) -> Result<Outcome, NotAdmitted> {
    let mut loaded = load::load(tx, &applicant).await?;
    let mut decision = decide(&loaded.facts);
    while !apply::lock(tx, &mut loaded, &decision).await? {
        loaded = load::load(tx, &applicant).await?;
        decision = decide(&loaded.facts);
    }
    let organization = organization_of(&loaded.facts, &decision);
    let denied = |error| NotAdmitted { organization, error };
    match decision {
        Decision::Refused(reason) => Err(denied(refused(reason, loaded.facts))),
        Decision::MustProve(proof) => {
            let address = loaded.address_of(&proof).ok_or_else(|| denied(Error::NoAddress))?;
            Ok(Outcome::MustProve(MustProve { proof, address, organization }))
        }
        decision => {
            let done = apply::apply(tx, loaded, applicant, decision).await;
            done.map(|admitted| Outcome::In(Box::new(admitted))).map_err(denied)
        }
    }
}

fn organization_of(facts: &Facts, decision: &Decision) -> Option<Uuid> {
    let of_user = |user: &Uuid| {
        facts.known.people.iter().find(|person| person.id == *user).map(|person| person.organization)
    };
    match decision {
        Decision::Known { user, .. } | Decision::Linked { user, .. } => of_user(user),
        Decision::MustProve(Proof::Account(user)) => of_user(user),
        Decision::Created { organization, .. } => Some(*organization),
        Decision::MustProve(Proof::Invitation(_)) | Decision::Refused(_) => {
            let found = facts.known.people.first().map(|person| person.organization);
            facts.claim.organization.or(found).or_else(|| facts.known.departed.first().copied())
        }
    }
}

/// Why the decision lets somebody not in, with what the reason is about.
fn refused(reason: Reason, facts: Facts) -> Error {
    let domain = if reason == Reason::DomainRefused { facts.claim.domain } else { None };
    Error::Refused { reason, domain }
}
