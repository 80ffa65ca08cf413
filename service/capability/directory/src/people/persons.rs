//! The people who were found, as they are decided about: what this source may say of each, and how it knows them already.

use std::collections::{BTreeMap, BTreeSet};

use entity::directory::states::{AddressProof, RoleSource, Source as MadeBy};
use entity::directory::user;
use identity_core::{Found, KnownAs, Person, RoleFrom, Source, connection_of, fold};
use uuid::Uuid;

use super::Applicant;

/// Identities of theirs that are looked at.
pub(crate) const IDENTITIES_MAX: u64 = 500;

/// Somebody who may be meant.
pub(crate) struct Candidate {
    pub(crate) found: Found,
    pub(crate) row: user::Model,
    /// What they came in by so far; of whom an identity found, nobody asks.
    pub(crate) identities: Vec<Identity>,
}

/// What somebody came in by.
pub(crate) struct Identity {
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

/// People as they are decided about.
pub(super) fn persons(
    applicant: &Applicant<'_>,
    found: &BTreeMap<Uuid, Candidate>,
    accepted: &BTreeSet<Uuid>,
    owns: bool,
) -> Vec<Person> {
    let of_connection = matches!(applicant.source, Source::Connection { .. });
    let issuer = applicant.source.issuer();
    let mut people = Vec::new();
    for Candidate { found, row, identities } in found.values() {
        // Somebody made the link while this one waited.
        let is_linked = |one: &Identity| {
            Some(&one.issuer) == issuer.as_ref() && Some(one.subject.as_str()) == applicant.subject
        };
        let linked = identities.iter().any(is_linked);
        let found = match found {
            _ if linked => Found::Identity,
            Found::Subject if of_connection && (!owns || !means(applicant, row)) => {
                match reachable_otherwise(applicant, row) {
                    Some(otherwise) => otherwise,
                    None => continue,
                }
            }
            other => *other,
        };
        // A connection lets in people of its own organization; of others it only hears that they left.
        if of_connection && !means(applicant, row) && found == Found::Before {
            continue;
        }
        people.push(Person {
            id: row.id,
            organization: row.organization_id,
            found,
            active: row.may_come(),
            managed: row.source == MadeBy::Scim,
            made_at_sign_in: row.source == MadeBy::Jit,
            role: row.role.0,
            role_from: match row.role_source {
                RoleSource::Local => RoleFrom::Local,
                RoleSource::Group => RoleFrom::Directory,
                RoleSource::SignIn => RoleFrom::SignIn,
            },
            under: row.role_under.map(|role| role.0),
            known_as: known_as(applicant, identities),
            accepted: accepted.contains(&row.id),
            doubtful: is_doubtful(row, identities) && !accepted.contains(&row.id),
        });
    }
    people.sort_by_key(|person| person.found);
    people
}

/// Whether nothing stood for the address with which a sign-in made somebody. Of whom it isn't known, it is so if a connection did.
fn is_doubtful(row: &user::Model, identities: &[Identity]) -> bool {
    let by_connection = || identities.iter().any(|one| connection_of(&one.issuer).is_some());
    match row.address_proof {
        Some(proof) => proof == AddressProof::Nothing,
        None => row.source == MadeBy::Jit && by_connection(),
    }
}

fn means(applicant: &Applicant<'_>, row: &user::Model) -> bool {
    applicant.organization.is_none_or(|named| named == row.organization_id)
}

/// How somebody was found whose directory's subject this source may not name.
fn reachable_otherwise(applicant: &Applicant<'_>, row: &user::Model) -> Option<Found> {
    let key = applicant.address.map(fold)?;
    if row.user_name_key == key {
        return Some(Found::Name);
    }
    super::addresses(row).contains(&key).then_some(Found::Address)
}

/// How this source knows somebody already, whose identity is not the one with which it comes.
fn known_as(applicant: &Applicant<'_>, identities: &[Identity]) -> KnownAs {
    let Some(issuer) = applicant.source.issuer() else { return KnownAs::Nobody };
    let of_source = || identities.iter().filter(|one| one.issuer == issuer);
    if of_source().any(|one| Some(one.subject.as_str()) != applicant.subject) {
        return KnownAs::Other;
    }
    let Source::Connection { id, .. } = &applicant.source else { return KnownAs::Nobody };
    let before = identities.iter().any(|one| one.issuer != issuer && connection_of(&one.issuer) == Some(*id));
    if before { KnownAs::Before } else { KnownAs::Nobody }
}
