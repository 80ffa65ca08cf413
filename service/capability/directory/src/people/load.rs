//! What is known of somebody who comes: read under [`Rule::People`], so that of two doors that make the same person one waits and
//! finds whom the other made.

use std::collections::{BTreeMap, BTreeSet};

use entity::connections::connection;
use entity::directory::user;
use identity_core::{
    Claim, DomainOf, Facts, First, Found, Home, Known, Proof, Source, Vouched, domain_of, fold, vouched,
};
use platform::rules::Rule;
use platform::{DbError, Tx, View};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::persons::{Candidate, persons};
use super::policy::{self, SignInPolicy};
use super::{Applicant, FirstRuns};
use crate::error::Error;
use crate::store::applicants::{self, Record};
use crate::store::users;

/// Addresses of one person that are looked for: the user name, and the first e-mails.
const ADDRESSES_MAX: usize = 20;

/// What was read, and what it comes to.
pub(super) struct Loaded {
    pub(super) facts: Facts,
    pub(super) users: BTreeMap<Uuid, user::Model>,
    pub(super) policies: BTreeMap<Uuid, SignInPolicy>,
    /// Where the mail of each pending invitation went.
    invited: BTreeMap<Uuid, String>,
}

impl Loaded {
    /// Where the code goes by which this is proven: the address that the account has, never one that is only claimed.
    pub(super) fn address_of(&self, proof: &Proof) -> Option<String> {
        match proof {
            Proof::Account(id) => self.users.get(id).and_then(mailbox),
            Proof::Invitation(id) => self.invited.get(id).cloned(),
        }
    }
}

fn mailbox(row: &user::Model) -> Option<String> {
    crate::model::mailbox(row.email.clone(), row.user_name.clone())
}

/// Everything that the decision rests on. Who comes again by an identity that is known costs a look at it and at the policy, no more.
pub(super) async fn load(tx: &Tx, applicant: &Applicant<'_>) -> Result<Loaded, Error> {
    let issuer = applicant.source.issuer();
    let mut found = BTreeMap::new();
    if let (Some(issuer), Some(subject)) = (&issuer, applicant.subject)
        && let Some(row) = users::by_identity(tx, issuer, subject).await?
    {
        found.insert(row.id, Candidate { found: Found::Identity, row, identities: Vec::new() });
    }
    let again = !found.is_empty();
    let keys = keys(applicant);
    if !again {
        for key in lock_keys(tx, applicant, &keys) {
            tx.exclusive(Rule::People, key).await?;
        }
        found = applicants::people(tx, applicant, &keys).await?;
    }
    // Who comes again brings an invitation along, or has none to accept.
    let record = match (again, applicant.proven) {
        (true, None) => Record::default(),
        _ => applicants::record(tx, applicant, &keys).await?,
    };
    let home = if again { Home::default() } else { record.home };
    let organizations: BTreeSet<Uuid> = found
        .values()
        .map(|one| one.row.organization_id)
        .chain(record.pending.iter().map(|one| one.organization))
        .chain([applicant.organization, home.of_domain, home.default].into_iter().flatten())
        .collect();
    let organizations: Vec<Uuid> = organizations.into_iter().collect();
    // What a directory pushes is no sign-in: no policy speaks of it.
    let policies = match applicant.source {
        Source::Directory => BTreeMap::new(),
        _ => policy::policies(tx, &organizations).await?,
    };
    let owns = owns(tx, applicant, &policies).await?;
    let domain = domain_of_claim(record.proven, applicant, owns);
    let mut worth = vouched(&applicant.source, applicant.verified, domain);
    if applicant.proven.is_some() {
        worth = Vouched::Mail;
    }
    let mut departed_themselves = record.departed_themselves;
    if owns {
        // To any other connection the directory's subject says nothing.
        departed_themselves.extend(record.departed_subjects);
    }
    let mut known =
        Known { people: Vec::new(), departed: record.departed, departed_themselves, pending: record.pending };
    known.people = persons(applicant, &found, &record.accepted, owns);
    if proves_another_mailbox(applicant, &found) {
        known.pending.clear();
    }
    let first = first(tx, applicant, again, &known).await?;
    let claim = Claim {
        source: applicant.source.clone(),
        subject: applicant.subject.map(ToOwned::to_owned),
        domain: applicant.address.and_then(domain_of),
        vouched: worth,
        proven: applicant.proven,
        groups: applicant.groups.clone(),
        organization: applicant.organization,
        role: applicant.role,
        grant: applicant.grant.clone(),
    };
    let rules = policies.iter().map(|(id, policy)| (*id, policy.rules.clone())).collect();
    Ok(Loaded {
        facts: Facts { claim, known, home, first, policies: rules },
        users: found.into_iter().map(|(id, one)| (id, one.row)).collect(),
        policies,
        invited: record.invited,
    })
}

/// The addresses by which somebody is looked for, folded. What a directory pushes names several.
pub(super) fn keys(applicant: &Applicant<'_>) -> Vec<String> {
    match &applicant.made {
        super::Made::Named(_) => applicant.address.map(fold).into_iter().collect(),
        super::Made::Pushed(_, resource) => super::departed::addresses_in(resource, ADDRESSES_MAX),
    }
}

/// Under which keys nobody else may come meanwhile: their addresses, or the subject of whom has none.
fn lock_keys(tx: &Tx, applicant: &Applicant<'_>, keys: &[String]) -> Vec<Vec<u8>> {
    let key = |text: &str| [tx.tenant().as_bytes().as_slice(), text.as_bytes()].concat();
    match (keys, applicant.subject) {
        ([], subject) => vec![key(&format!("\0{}", subject.unwrap_or_default()))],
        (keys, _) => keys.iter().map(|one| key(one)).collect(),
    }
}

/// Whether a connection is the one that speaks for its organization: for its domains, and for its directory's subjects. The policy names
/// it, or it is the only one.
async fn owns(
    tx: &View,
    applicant: &Applicant<'_>,
    policies: &BTreeMap<Uuid, SignInPolicy>,
) -> Result<bool, DbError> {
    let (Source::Connection { id, .. }, Some(organization)) = (&applicant.source, applicant.organization)
    else {
        return Ok(true);
    };
    if let Some(named) = policies.get(&organization).and_then(|policy| policy.row.connection_id) {
        return Ok(named == *id);
    }
    let all = tx.select::<connection::Entity>().select_only().column(connection::Column::Id);
    let all = all.filter(connection::Column::OrganizationId.eq(organization)).limit(2);
    Ok(tx.tuples::<_, (Uuid,)>(all).await?.len() == 1)
}

fn domain_of_claim(proven: Option<Uuid>, applicant: &Applicant<'_>, owns: bool) -> DomainOf {
    match proven {
        None => DomainOf::Nobody,
        Some(organization) if owns && applicant.organization.is_none_or(|named| named == organization) => {
            DomainOf::Own
        }
        Some(_) => DomainOf::Tenant,
    }
}

/// A code that went to the account's mailbox proves nothing of another address.
fn proves_another_mailbox(applicant: &Applicant<'_>, found: &BTreeMap<Uuid, Candidate>) -> bool {
    let Some(Proof::Account(id)) = &applicant.proven else { return false };
    let mailbox = found.get(id).and_then(|one| mailbox(&one.row));
    mailbox.as_deref().map(fold) != applicant.address.map(fold)
}

/// Whether they are the first: asked under its rule, so that of two who come at once only one is.
async fn first(tx: &Tx, applicant: &Applicant<'_>, again: bool, known: &Known) -> Result<First, DbError> {
    if applicant.first == FirstRuns::No || again || !known.people.is_empty() {
        return Ok(First::No);
    }
    let somebody = async || Ok::<_, DbError>(tx.one(tx.select::<user::Entity>()).await?.is_some());
    if somebody().await? {
        return Ok(First::No);
    }
    tx.exclusive(Rule::FirstUser, tx.tenant()).await?;
    let expected = async || super::invitations::admin_is_expected(tx).await;
    Ok(if somebody().await? || expected().await? { First::No } else { First::Runs })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_looked_at_has_an_end() {
        use super::super::invitations;
        use crate::people::IDENTITIES_MAX;
        use crate::store::applicants;
        let all = [applicants::PEOPLE_MAX, IDENTITIES_MAX, applicants::RECORD_MAX, invitations::ENDED_MAX];
        assert_eq!((super::ADDRESSES_MAX, all), (20, [50, 500, 100, 100]));
        assert_eq!(crate::store::users::NAMESAKES_MAX, 50);
    }
}
