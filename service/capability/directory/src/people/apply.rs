//! What was decided is done. Rows are taken in one order: users, the invitation, reservations, quotas.

use entity::directory::states::{AddressProof, RoleSource, Source as MadeBy, UserState, UserVerb};
use entity::directory::user;
use entity::ids::OrganizationId;
use identity_core::{
    Decision, Facts, Given, Invitation, KnownAs, Others, Person, Proof, RoleFrom, Source, Vouched,
    connection_of,
};
use platform::crypto::{hex, sha256};
use platform::{DbError, Tx, ids};
use quota::Usage;
use scim_core::schema::{ResourceType, USERS};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::load::{self, Loaded};
use super::{Admitted, Applicant, Made, invitations, policy};
use crate::error::Error;
use crate::model::UserColumns;
use crate::ops::expected::forget_expected;
use crate::ops::roles;
use crate::ops::roles::NewRole;
use crate::ops::users::{self, NewUser, Origin, Writer};
use crate::store::users as store;

pub(super) async fn apply(
    tx: &mut Tx,
    mut loaded: Loaded,
    applicant: Applicant<'_>,
    decision: Decision,
) -> Result<Admitted, Error> {
    if applicant.proven.is_some_and(|proof| !proves(&proof, &decision)) {
        // Something else was proven than what they would be given now.
        return Err(Error::ProvenOther);
    }
    let (user, usage) = match decision {
        Decision::Known { user, role, invitation } => {
            let row = loaded.users.remove(&user).ok_or_else(Error::deactivated)?;
            (known(tx, row, (role, invitation), &applicant).await?, None)
        }
        Decision::Linked { user, role, invitation, others } => {
            let row = loaded.users.remove(&user).ok_or_else(Error::deactivated)?;
            let row = reconcile_identities(tx, row, &loaded.facts, (others, &applicant.source)).await?;
            // The row is taken before the link takes a share in it: two who come at once must not wait for each other.
            let row = given(tx, row, (role, invitation), &applicant).await?;
            link(tx, &row, &applicant).await?;
            (row, None)
        }
        Decision::Created { organization, role, invitation } => {
            created(tx, &loaded, applicant, (organization, role, invitation)).await?
        }
        Decision::MustProve(_) | Decision::Refused(_) => {
            return Err(Error::Internal("a decision that lets nobody in".to_owned()));
        }
    };
    let organization = user.organization_id;
    let policy = loaded.policies.remove(&organization);
    let policy = policy.unwrap_or_else(|| policy::unset_policy(tx, organization));
    Ok(Admitted { user, policy, usage })
}

fn proves(proof: &Proof, decision: &Decision) -> bool {
    match (proof, decision) {
        (Proof::Account(proven), Decision::Known { user, .. } | Decision::Linked { user, .. }) => {
            proven == user
        }
        (Proof::Invitation(_), Decision::Known { .. }) => true,
        (
            Proof::Invitation(proven),
            Decision::Linked { invitation, .. } | Decision::Created { invitation, .. },
        ) => *invitation == Invitation::Accepted(*proven),
        _ => false,
    }
}

/// Locks the row that the decision changes, if it changes one. `false`: it is not what it was when the facts were read, and a decision from
/// facts that are read after this stands.
pub(super) async fn lock(tx: &Tx, loaded: &mut Loaded, decision: &Decision) -> Result<bool, Error> {
    let (Decision::Known { user, role, invitation } | Decision::Linked { user, role, invitation, .. }) =
        decision
    else {
        return Ok(true);
    };
    if changes_nothing(role.as_ref(), *invitation) {
        return Ok(true);
    }
    let Some(read) = loaded.users.get_mut(user) else { return Ok(true) };
    let standing = |row: &user::Model| (row.role, row.role_source, row.role_under, row.may_come());
    match store::user_locked(tx, OrganizationId(read.organization_id), read.id).await? {
        Some(now) if standing(&now) == standing(read) => {
            *read = now;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn changes_nothing(role: Option<&Given>, invitation: Invitation) -> bool {
    role.is_none() && invitation == Invitation::None
}

/// Who comes again.
async fn known(
    tx: &mut Tx,
    row: user::Model,
    becomes: (Option<Given>, Invitation),
    applicant: &Applicant<'_>,
) -> Result<user::Model, Error> {
    if let (Source::Connection { .. }, Some(issuer), Some(subject)) =
        (&applicant.source, applicant.source.issuer(), applicant.subject)
    {
        users::seen(tx, &issuer, subject).await?;
    }
    given(tx, row, becomes, applicant).await
}

/// What somebody who was there before gets by coming. Where something of it changes their row is locked ([`lock`]); whether somebody is
/// active is asked of every token anyway.
async fn given(
    tx: &mut Tx,
    row: user::Model,
    (role, invitation): (Option<Given>, Invitation),
    applicant: &Applicant<'_>,
) -> Result<user::Model, Error> {
    if changes_nothing(role.as_ref(), invitation) {
        return Ok(row);
    }
    consume(tx, invitation, row.id, applicant).await?;
    match role {
        Some(given) => Ok(roles::give(tx, row, new_role(given)).await?),
        None => Ok(row),
    }
}

/// By what they came, they come again.
async fn link(tx: &mut Tx, row: &user::Model, applicant: &Applicant<'_>) -> Result<(), DbError> {
    match (applicant.source.issuer(), applicant.subject) {
        (Some(issuer), Some(subject)) => users::link(tx, row, &issuer, subject).await,
        _ => Ok(()),
    }
}

/// The user, with nobody else beside: still there, and still active.
async fn locked(tx: &Tx, row: &user::Model) -> Result<user::Model, Error> {
    let found = store::user_locked(tx, OrganizationId(row.organization_id), row.id).await?;
    found.filter(user::Model::may_come).ok_or_else(Error::deactivated)
}

fn new_role(given: Given) -> NewRole {
    let source = match given.from {
        RoleFrom::Local => RoleSource::Local,
        RoleFrom::Directory => RoleSource::Group,
        RoleFrom::SignIn => RoleSource::SignIn,
    };
    NewRole { role: given.role, source, under: given.under }
}

/// What came in as this user before and does no more: everything, where somebody else proves the address; what the connection's provider
/// before called them, where there was one.
async fn reconcile_identities(
    tx: &mut Tx,
    row: user::Model,
    facts: &Facts,
    (others, source): (Others, &Source),
) -> Result<user::Model, Error> {
    let is_before = |person: &Person| person.id == row.id && person.known_as == KnownAs::Before;
    let before = facts.known.people.iter().any(is_before);
    if others == Others::Stay && !before {
        return Ok(row);
    }
    let row = locked(tx, &row).await?;
    let issuer = source.issuer();
    for one in store::identities(tx, &row).await? {
        let same_connection = match source {
            Source::Connection { id, .. } => connection_of(&one.issuer) == Some(*id),
            _ => false,
        };
        if others == Others::End || same_connection && Some(&one.issuer) != issuer.as_ref() {
            store::unlink(tx, &one.issuer, &one.subject).await?;
        }
    }
    if others == Others::Stay {
        return Ok(row);
    }
    sessions::end_all_of_user(tx, row.id, sessions::Ended::AccountClaimed).await?;
    Ok(users::set_proof(tx, row, proof_of(facts.claim.vouched)).await?)
}

fn proof_of(vouched: Vouched) -> AddressProof {
    match vouched {
        Vouched::Nothing => AddressProof::Nothing,
        Vouched::Word => AddressProof::Word,
        Vouched::Domain => AddressProof::Domain,
        Vouched::Mail => AddressProof::Mail,
    }
}

/// The invitation ends, and its seat is free for who comes.
async fn consume(
    tx: &mut Tx,
    invitation: Invitation,
    user: Uuid,
    applicant: &Applicant<'_>,
) -> Result<(), Error> {
    match invitation {
        Invitation::None => Ok(()),
        Invitation::SeatOnly(id) => Ok(forget_expected(tx, id).await?),
        Invitation::Accepted(id) => {
            let row = invitations::open_invitation(tx, id).await.map_err(|error| {
                match (&applicant.grant, error) {
                    // It was there a moment ago: whoever asked asks again, and is decided about without it.
                    (None, Error::InvitationGone) => Error::InvitationTaken,
                    (_, error) => error,
                }
            })?;
            match applicant.grant {
                Some(_) => invitations::accept_invitation(tx, row, Some(user)).await.map(drop)?,
                None => invitations::accept_without_token(tx, row, user).await?,
            }
            Ok(forget_expected(tx, id).await?)
        }
    }
}

async fn created(
    tx: &mut Tx,
    loaded: &Loaded,
    applicant: Applicant<'_>,
    (organization, given, invitation): (Uuid, Given, Invitation),
) -> Result<(user::Model, Option<Usage>), Error> {
    let keys = load::keys(&applicant);
    let known = &loaded.facts.known;
    let left = known.departed.contains(&organization) || known.departed_themselves.contains(&organization);
    let was = if left { UserState::Removed } else { UserState::Nobody };
    if was == UserState::Removed {
        match applicant.source {
            Source::Directory => super::there_again(tx, organization, &keys, applicant.subject).await?,
            _ => super::forgive(tx, organization, &keys).await?,
        }
    }
    let source = match (&applicant.source, invitation) {
        (Source::Directory, _) => MadeBy::Scim,
        (Source::Invitation | Source::Approval, _) | (_, Invitation::Accepted(_)) => MadeBy::Invitation,
        _ => MadeBy::Jit,
    };
    let (kind, resource): (&ResourceType, Map<String, Value>) = match &applicant.made {
        Made::Pushed(kind, resource) => (kind, resource.clone()),
        Made::Named(name) => (&USERS, named(tx, organization, &applicant, *name).await?),
    };
    users::fit(&resource)?;
    // Who names no address has none that could be proven; a directory answers for what it pushes.
    let asserted = applicant.address.is_some() && applicant.source != Source::Directory;
    let state = state_of_new(was, &applicant, &resource)?;
    let new = NewUser {
        organization,
        resource,
        role: new_role(given),
        address_proof: asserted.then(|| proof_of(loaded.facts.claim.vouched)),
    };
    let origin = Origin { id: ids::new(), created_at: tx.now(), source, state };
    let row = users::insert_user(tx, kind, new, origin).await?;
    link(tx, &row, &applicant).await?;
    if row.active {
        consume(tx, invitation, row.id, &applicant).await?;
    } else {
        super::leave(tx, &row, None).await?;
    }
    let usage = users::take_seats(tx, &row).await?;
    Ok((row, usage))
}

/// Where somebody stands who is made now. Whom a directory removed is back by its own word, or by an admin's newer one: the decision lets
/// nobody else so far.
fn state_of_new(
    was: UserState,
    applicant: &Applicant<'_>,
    resource: &Map<String, Value>,
) -> Result<UserState, Error> {
    if applicant.source == Source::Directory {
        return users::after(was, Writer::Directory.verb(&UserColumns::of(resource)));
    }
    let is = was.after(UserVerb::Invite).and_then(|was| was.after(UserVerb::Come));
    is.ok_or_else(Error::deactivated)
}

/// The attributes of somebody of whom only a name and an address are known.
async fn named(
    tx: &Tx,
    organization: Uuid,
    applicant: &Applicant<'_>,
    name: Option<&str>,
) -> Result<Map<String, Value>, DbError> {
    let mut resource: Map<String, Value> = Map::new();
    let user_name = match applicant.address {
        Some(address) => address.to_owned(),
        None => name_of_subject(tx, organization, applicant).await?,
    };
    resource.insert("userName".to_owned(), user_name.into());
    resource.insert("active".to_owned(), true.into());
    if let Some(name) = name {
        resource.insert("displayName".to_owned(), identity_core::name_of(name).into());
    }
    if let Some(address) = applicant.address {
        resource.insert("emails".to_owned(), json!([{"value": address, "primary": true}]));
    }
    Ok(resource)
}

/// A user name for whom only a subject is known. Subjects that differ are two people, though their names be one without case; the same
/// subject makes the same name at each attempt.
async fn name_of_subject(tx: &Tx, organization: Uuid, applicant: &Applicant<'_>) -> Result<String, DbError> {
    let subject = applicant.subject.unwrap_or_default();
    // What is an address would be found by it.
    let fits = identity_core::check(subject).is_ok() && !identity_core::is_email(subject);
    if fits && store::user_by_name(tx, organization, subject).await?.is_none() {
        return Ok(subject.to_owned());
    }
    let whole = format!("{}\n{subject}", applicant.source.issuer().unwrap_or_default());
    let mark: String = hex(&sha256(whole.as_bytes())).chars().take(8).collect();
    let readable = if fits { subject } else { "person" };
    Ok(format!("{readable} {mark}"))
}
