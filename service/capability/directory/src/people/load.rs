//! What is known of somebody who comes: read under [`Rule::People`], so that of two doors that make the same person one waits and
//! finds whom the other made.

use std::collections::{BTreeMap, BTreeSet};

use entity::by_name::ByName;
use entity::directory::states::DepartedKind;
use entity::directory::user;
use entity::invitations::states::InvitationStatus;
use entity::sso::connection;
use identity_core::{
    Claim, DomainOf, Facts, First, Found, Home, Known, Pending, Proof, Source, Vouched, domain_of, fold,
    issuers_of, vouched,
};
use platform::rules::Rule;
use platform::{DbError, Tx, View};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QueryResult, QuerySelect, Value};
use uuid::Uuid;

use super::persons::{self, Candidate, Identity, persons};
use super::policy::{self, SignInPolicy};
use super::{Comer, FirstRuns};
use crate::error::Error;
use crate::store::users;

/// People that are looked at, of all who share an address or a subject in a tenant.
const PEOPLE_MAX: u64 = 50;
/// Addresses of one person that are looked for: the user name, and the first e-mails.
const ADDRESSES_MAX: usize = 20;
/// Invitations of one address, and directories that removed it.
const RECORD_MAX: u64 = 100;

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
pub(super) async fn load(tx: &Tx, comer: &Comer<'_>) -> Result<Loaded, Error> {
    let issuer = comer.source.issuer();
    let mut found = BTreeMap::new();
    if let (Some(issuer), Some(subject)) = (&issuer, comer.subject)
        && let Some(row) = users::by_identity(tx, issuer, subject).await?
    {
        found.insert(row.id, Candidate { found: Found::Identity, row, identities: Vec::new() });
    }
    let again = !found.is_empty();
    let keys = keys(comer);
    if !again {
        for key in lock_keys(tx, comer, &keys) {
            tx.exclusive(Rule::People, key).await?;
        }
        found = people(tx, comer, &keys).await?;
    }
    // Who comes again brings an invitation along, or has none to accept.
    let record = match (again, comer.proven) {
        (true, None) => Record::default(),
        _ => record(tx, comer, &keys).await?,
    };
    let home = if again { Home::default() } else { record.home };
    let organizations: BTreeSet<Uuid> = found
        .values()
        .map(|one| one.row.organization_id)
        .chain(record.pending.iter().map(|one| one.organization))
        .chain([comer.organization, home.of_domain, home.default].into_iter().flatten())
        .collect();
    let organizations: Vec<Uuid> = organizations.into_iter().collect();
    // What a directory pushes is no sign-in: no policy speaks of it.
    let policies = match comer.source {
        Source::Directory => BTreeMap::new(),
        _ => policy::policies(tx, &organizations).await?,
    };
    let owns = owns(tx, comer, &policies).await?;
    let domain = domain_of_claim(record.proven, comer, owns);
    let mut worth = vouched(&comer.source, comer.verified, domain);
    if comer.proven.is_some() {
        worth = Vouched::Mail;
    }
    let mut departed_themselves = record.departed_themselves;
    if owns {
        // To any other connection the directory's subject says nothing.
        departed_themselves.extend(record.departed_subjects);
    }
    let mut known =
        Known { people: Vec::new(), departed: record.departed, departed_themselves, pending: record.pending };
    known.people = persons(comer, &found, &record.accepted, owns);
    if proves_another_mailbox(comer, &found) {
        known.pending.clear();
    }
    let first = first(tx, comer, again, &known).await?;
    let claim = Claim {
        source: comer.source.clone(),
        subject: comer.subject.map(ToOwned::to_owned),
        domain: comer.address.and_then(domain_of),
        vouched: worth,
        proven: comer.proven,
        groups: comer.groups.clone(),
        organization: comer.organization,
        role: comer.role,
        grant: comer.grant.clone(),
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
pub(super) fn keys(comer: &Comer<'_>) -> Vec<String> {
    match &comer.made {
        super::Made::Named(_) => comer.address.map(fold).into_iter().collect(),
        super::Made::Pushed(_, resource) => super::departed::addresses_in(resource, ADDRESSES_MAX),
    }
}

/// Under which keys nobody else may come meanwhile: their addresses, or the subject of whom has none.
fn lock_keys(tx: &Tx, comer: &Comer<'_>, keys: &[String]) -> Vec<Vec<u8>> {
    let key = |text: &str| [tx.tenant().as_bytes().as_slice(), text.as_bytes()].concat();
    match (keys, comer.subject) {
        ([], subject) => vec![key(&format!("\0{}", subject.unwrap_or_default()))],
        (keys, _) => keys.iter().map(|one| key(one)).collect(),
    }
}

/// Everybody who may be meant, with what they came in by so far.
async fn people(tx: &Tx, comer: &Comer<'_>, keys: &[String]) -> Result<BTreeMap<Uuid, Candidate>, DbError> {
    if comer.source == Source::Directory {
        return Ok(BTreeMap::new());
    }
    let mut values: Vec<Value> = Vec::new();
    let mut ways: Vec<String> = Vec::new();
    let mut value = |value: Value| {
        values.push(value);
        format!("${}", values.len() + 1)
    };
    // An issuer that the operator trusts, or a connection: of a connection it is asked later whether it is the organization's own.
    if let Some(subject) = comer.subject {
        let subject = value(subject.into());
        ways.push(format!(
            "SELECT id, 1 AS way FROM directory_user WHERE tenant_id = $1 AND external_id = {subject} AND source = 'scim'"
        ));
        if let Source::Connection { id, .. } = &comer.source {
            // Written while it was not part of it which provider was behind the connection: perhaps this one.
            let before = value(issuers_of(*id).into());
            ways.push(format!(
                "SELECT user_id AS id, 4 AS way FROM user_identity WHERE tenant_id = $1 AND issuer = {before} AND subject = {subject}"
            ));
        }
    }
    for key in keys {
        let key = value(key.clone().into());
        ways.push(format!(
            "SELECT id, 2 AS way FROM directory_user WHERE tenant_id = $1 AND user_name_key = {key}"
        ));
        ways.push(format!(
            "SELECT user_id AS id, 3 AS way FROM directory_user_email WHERE tenant_id = $1 AND value_key = {key}"
        ));
    }
    if ways.is_empty() {
        return Ok(BTreeMap::new());
    }
    let most = PEOPLE_MAX + persons::IDENTITIES_MAX;
    let sql = format!(
        "SELECT u.*, w.way AS way, i.issuer AS identity_issuer, i.subject AS identity_subject \
         FROM (SELECT id, MIN(way) AS way FROM ({}) f GROUP BY id ORDER BY MIN(way), id LIMIT {PEOPLE_MAX}) w \
         JOIN directory_user u ON u.tenant_id = $1 AND u.id = w.id \
         LEFT JOIN user_identity i ON i.tenant_id = $1 AND i.organization_id = u.organization_id AND i.user_id = u.id \
         ORDER BY w.way, u.created_at, u.id, i.created_at LIMIT {most}",
        ways.join(" UNION ALL "),
    );
    let mut found = BTreeMap::new();
    for line in tx.query(&sql, values).await? {
        let row = user::Model::from_query_result(&line, "")?;
        let one = Candidate { found: way(&line)?, row, identities: Vec::new() };
        let one = found.entry(one.row.id).or_insert(one);
        let issuer: Option<String> = line.try_get("", "identity_issuer")?;
        let subject: Option<String> = line.try_get("", "identity_subject")?;
        one.identities.extend(issuer.zip(subject).map(|(issuer, subject)| Identity { issuer, subject }));
    }
    Ok(found)
}

fn way(row: &QueryResult) -> Result<Found, sea_orm::DbErr> {
    // Postgres has an integer of four bytes here, SQLite one of eight.
    let way = row.try_get::<i32>("", "way").map(i64::from).or_else(|_| row.try_get::<i64>("", "way"))?;
    Ok(match way {
        1 => Found::Subject,
        2 => Found::Name,
        3 => Found::Address,
        _ => Found::Before,
    })
}

/// What the tenant has on record about who comes.
#[derive(Default)]
struct Record {
    pending: Vec<Pending>,
    /// Users as whom an invitation of the address was accepted.
    accepted: BTreeSet<Uuid>,
    departed: Vec<Uuid>,
    departed_themselves: Vec<Uuid>,
    /// Where the directory's subject left by which they come.
    departed_subjects: Vec<Uuid>,
    invited: BTreeMap<Uuid, String>,
    /// The organization that has proven the domain of the address.
    proven: Option<Uuid>,
    home: Home,
}

/// What a row of [`record`] is, where it is neither a departure nor an invitation.
const PROVEN: &str = "proven";
const DEFAULT: &str = "default";

/// One question: who left, who is invited, whose the domain is, and where people go otherwise.
async fn record(tx: &Tx, comer: &Comer<'_>, keys: &[String]) -> Result<Record, Error> {
    let mut values: Vec<Value> = Vec::new();
    let mut value = |one: Value| {
        values.push(one);
        format!("${}", values.len() + 1)
    };
    let addresses: Vec<String> = keys.iter().map(|key| value(key.clone().into())).collect();
    let mut parts = Vec::new();
    let left = departures(comer, &addresses, &mut value);
    if !left.is_empty() {
        parts.push(format!(
            "SELECT 1, kind, user_id, organization_id, NULL, user_id, NULL, departed_at FROM directory_departed \
             WHERE tenant_id = $1 AND ({left})"
        ));
    }
    if !addresses.is_empty() {
        let (kind, now) = (super::invitations::KIND.as_str(), value(tx.now().into()));
        parts.push(format!(
            "SELECT 1, status, id, organization_id, role, user_id, email, created_at FROM invitation \
             WHERE tenant_id = $1 AND email_key IN ({}) AND (status = 'accepted' AND user_id IS NOT NULL \
             OR status = 'pending' AND kind = '{kind}' AND expires_at > {now})",
            addresses.join(", ")
        ));
    }
    if let Some(name) = comer.address.and_then(domain_of).filter(|_| names_its_domain(comer)) {
        let name = value(name.into());
        parts.push(format!(
            "SELECT 0, '{PROVEN}', id, organization_id, NULL, id, NULL, created_at FROM domain \
             WHERE tenant_id = $1 AND verified_name = {name}"
        ));
    }
    if comer.organization.is_none() {
        parts.push(format!(
            "SELECT 0, '{DEFAULT}', id, id, NULL, id, NULL, created_at FROM organization WHERE tenant_id = $1 AND slug = 'default'"
        ));
    }
    if parts.is_empty() {
        return Ok(Record::default());
    }
    let (all, most) = (parts.join(" UNION ALL "), RECORD_MAX + 2);
    let sql = format!(
        "WITH record (rank, what, id, organization_id, role, user_id, email, created_at) AS ({all}) \
         SELECT * FROM record ORDER BY rank, created_at, id LIMIT {most}"
    );
    let mut record = Record::default();
    for row in tx.query(&sql, values).await? {
        record.take(&row, comer).map_err(|error| Error::Internal(error.to_string()))?;
    }
    if comer.organization.is_none() {
        record.home.of_domain = record.proven;
    }
    Ok(record)
}

/// Which marks of `directory_departed` mean who comes.
fn departures(comer: &Comer<'_>, addresses: &[String], value: &mut impl FnMut(Value) -> String) -> String {
    let mut marks = vec![(DepartedKind::Address, addresses.join(", "))];
    if let Some(subject) = comer.subject {
        marks.push((DepartedKind::ExternalId, value(subject.into())));
        if let Some(issuer) = comer.source.issuer() {
            let before = match &comer.source {
                Source::Connection { id, .. } => Some(issuers_of(*id)),
                _ => None,
            };
            let keys = [Some(issuer), before].into_iter().flatten();
            let keys: Vec<String> =
                keys.map(|issuer| value(super::departed::identity_key(&issuer, subject).into())).collect();
            marks.push((DepartedKind::Identity, keys.join(", ")));
        }
    }
    let marks = marks.into_iter().filter(|(_, keys)| !keys.is_empty());
    let marks: Vec<String> =
        marks.map(|(kind, keys)| format!("(kind = '{kind}' AND key IN ({keys}))")).collect();
    marks.join(" OR ")
}

/// Whether the domain of the address says anything of who comes with it from there.
fn names_its_domain(comer: &Comer<'_>) -> bool {
    match comer.source {
        Source::Connection { .. } => comer.verified != Some(false),
        Source::Issuer(_) => comer.verified == Some(true),
        Source::Directory => true,
        Source::Invitation | Source::Approval => false,
    }
}

impl Record {
    fn take(&mut self, row: &QueryResult, comer: &Comer<'_>) -> Result<(), sea_orm::DbErr> {
        let organization: Uuid = row.try_get("", "organization_id")?;
        let what: String = row.try_get("", "what")?;
        match (DepartedKind::parse(&what), InvitationStatus::parse(&what)) {
            (Some(DepartedKind::Address), _) => self.departed.push(organization),
            (Some(DepartedKind::ExternalId), _) => self.departed_subjects.push(organization),
            (Some(DepartedKind::Identity), _) => self.departed_themselves.push(organization),
            (None, Some(InvitationStatus::Accepted)) => {
                self.accepted.insert(row.try_get("", "user_id")?);
            }
            (None, Some(_)) => {
                let role = row.try_get::<ByName<TenantRole>>("", "role")?.0;
                let (id, email): (Uuid, String) = (row.try_get("", "id")?, row.try_get("", "email")?);
                let of_claim = comer.address.is_some_and(|address| fold(address) == fold(&email));
                self.pending.push(Pending { id, organization, role, of_claim });
                self.invited.insert(id, email);
            }
            (None, None) if what == PROVEN => self.proven = Some(organization),
            (None, None) => self.home.default = Some(organization),
        }
        Ok(())
    }
}
/// Whether a connection is the one that speaks for its organization: for its domains, and for its directory's subjects. The policy names
/// it, or it is the only one.
async fn owns(
    tx: &View,
    comer: &Comer<'_>,
    policies: &BTreeMap<Uuid, SignInPolicy>,
) -> Result<bool, DbError> {
    let (Source::Connection { id, .. }, Some(organization)) = (&comer.source, comer.organization) else {
        return Ok(true);
    };
    if let Some(named) = policies.get(&organization).and_then(|policy| policy.row.connection_id) {
        return Ok(named == *id);
    }
    let all = tx.select::<connection::Entity>().select_only().column(connection::Column::Id);
    let all = all.filter(connection::Column::OrganizationId.eq(organization)).limit(2);
    Ok(tx.tuples::<_, (Uuid,)>(all).await?.len() == 1)
}

fn domain_of_claim(proven: Option<Uuid>, comer: &Comer<'_>, owns: bool) -> DomainOf {
    match proven {
        None => DomainOf::Nobody,
        Some(organization) if owns && comer.organization.is_none_or(|named| named == organization) => {
            DomainOf::Own
        }
        Some(_) => DomainOf::Tenant,
    }
}

/// A code that went to the account's mailbox proves nothing of another address.
fn proves_another_mailbox(comer: &Comer<'_>, found: &BTreeMap<Uuid, Candidate>) -> bool {
    let Some(Proof::Account(id)) = &comer.proven else { return false };
    let mailbox = found.get(id).and_then(|one| mailbox(&one.row));
    mailbox.as_deref().map(fold) != comer.address.map(fold)
}

/// Whether they are the first: asked under its rule, so that of two who come at once only one is.
async fn first(tx: &Tx, comer: &Comer<'_>, again: bool, known: &Known) -> Result<First, DbError> {
    if comer.first == FirstRuns::No || again || !known.people.is_empty() {
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
        use super::persons;
        let all = [super::PEOPLE_MAX, persons::IDENTITIES_MAX, super::RECORD_MAX, invitations::ENDED_MAX];
        assert_eq!((super::ADDRESSES_MAX, all), (20, [50, 500, 100, 100]));
        assert_eq!(crate::store::users::NAMESAKES_MAX, 50);
    }
}
