//! Queries about who comes: who may be meant, and what the tenant has on record of them.

use std::collections::{BTreeMap, BTreeSet};

use entity::by_name::ByName;
use entity::directory::states::DepartedKind;
use entity::directory::user;
use entity::invitations::states::InvitationStatus;
use identity_core::{Found, Home, Pending, Source, domain_of, fold, issuers_of};
use platform::{DbError, Statement, Tx};
use policy_core::TenantRole;
use sea_orm::{FromQueryResult, QueryResult, Value};
use uuid::Uuid;

use crate::error::Error;
use crate::people::{Applicant, Candidate, IDENTITIES_MAX, Identity, identity_key, invitations};

/// People that are looked at, of all who share an address or a subject in a tenant.
pub(crate) const PEOPLE_MAX: u64 = 50;
/// Invitations of one address, and directories that removed it.
pub(crate) const RECORD_MAX: u64 = 100;

/// Everybody who may be meant, with what they came in by so far.
pub(crate) async fn people(
    tx: &Tx,
    applicant: &Applicant<'_>,
    keys: &[String],
) -> Result<BTreeMap<Uuid, Candidate>, DbError> {
    if applicant.source == Source::Directory {
        return Ok(BTreeMap::new());
    }
    let mut values: Vec<Value> = Vec::new();
    let mut ways: Vec<String> = Vec::new();
    let mut value = |value: Value| {
        values.push(value);
        format!("${}", values.len() + 1)
    };
    // An issuer that the operator trusts, or a connection: of a connection it is asked later whether it is the organization's own.
    if let Some(subject) = applicant.subject {
        let subject = value(subject.into());
        ways.push(format!(
            "SELECT id, 1 AS way FROM directory_user WHERE tenant_id = $1 AND external_id = {subject} AND source = 'scim'"
        ));
        if let Source::Connection { id, .. } = &applicant.source {
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
    let most = PEOPLE_MAX + IDENTITIES_MAX;
    let find = Statement::built(format!(
        "SELECT u.*, w.way AS way, i.issuer AS identity_issuer, i.subject AS identity_subject \
         FROM (SELECT id, MIN(way) AS way FROM ({}) f GROUP BY id ORDER BY MIN(way), id LIMIT {PEOPLE_MAX}) w \
         JOIN directory_user u ON u.tenant_id = $1 AND u.id = w.id \
         LEFT JOIN user_identity i ON i.tenant_id = $1 AND i.organization_id = u.organization_id AND i.user_id = u.id \
         ORDER BY w.way, u.created_at, u.id, i.created_at LIMIT {most}",
        ways.join(" UNION ALL "),
    ))?;
    let mut found = BTreeMap::new();
    for line in tx.query(&find, values).await? {
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
pub(crate) struct Record {
    pub(crate) pending: Vec<Pending>,
    /// Users as whom an invitation of the address was accepted.
    pub(crate) accepted: BTreeSet<Uuid>,
    pub(crate) departed: Vec<Uuid>,
    pub(crate) departed_themselves: Vec<Uuid>,
    /// Where the directory's subject left by which they come.
    pub(crate) departed_subjects: Vec<Uuid>,
    pub(crate) invited: BTreeMap<Uuid, String>,
    /// The organization that has proven the domain of the address.
    pub(crate) proven: Option<Uuid>,
    pub(crate) home: Home,
}

/// What a row of [`record`] is, where it is neither a departure nor an invitation.
const PROVEN: &str = "proven";
const DEFAULT: &str = "default";

/// One question: who left, who is invited, whose the domain is, and where people go otherwise.
pub(crate) async fn record(tx: &Tx, applicant: &Applicant<'_>, keys: &[String]) -> Result<Record, Error> {
    let mut values: Vec<Value> = Vec::new();
    let mut value = |one: Value| {
        values.push(one);
        format!("${}", values.len() + 1)
    };
    let addresses: Vec<String> = keys.iter().map(|key| value(key.clone().into())).collect();
    let mut parts = Vec::new();
    let left = departures(applicant, &addresses, &mut value);
    if !left.is_empty() {
        parts.push(format!(
            "SELECT 1, kind, user_id, organization_id, NULL, user_id, NULL, departed_at FROM directory_departed \
             WHERE tenant_id = $1 AND ({left})"
        ));
    }
    if !addresses.is_empty() {
        let (kind, now) = (invitations::KIND.as_str(), value(tx.now().into()));
        parts.push(format!(
            "SELECT 1, status, id, organization_id, role, user_id, email, created_at FROM invitation \
             WHERE tenant_id = $1 AND email_key IN ({}) AND (status = 'accepted' AND user_id IS NOT NULL \
             OR status = 'pending' AND kind = '{kind}' AND expires_at > {now})",
            addresses.join(", ")
        ));
    }
    if let Some(name) = applicant.address.and_then(domain_of).filter(|_| names_its_domain(applicant)) {
        let name = value(name.into());
        parts.push(format!(
            "SELECT 0, '{PROVEN}', id, organization_id, NULL, id, NULL, created_at FROM domain \
             WHERE tenant_id = $1 AND verified_name = {name}"
        ));
    }
    if applicant.organization.is_none() {
        parts.push(format!(
            "SELECT 0, '{DEFAULT}', id, id, NULL, id, NULL, created_at FROM organization WHERE tenant_id = $1 AND slug = 'default'"
        ));
    }
    if parts.is_empty() {
        return Ok(Record::default());
    }
    let (all, most) = (parts.join(" UNION ALL "), RECORD_MAX + 2);
    let find = Statement::built(format!(
        "WITH record (rank, what, id, organization_id, role, user_id, email, created_at) AS ({all}) \
         SELECT * FROM record ORDER BY rank, created_at, id LIMIT {most}"
    ))?;
    let mut record = Record::default();
    for row in tx.query(&find, values).await? {
        record.take(&row, applicant).map_err(|error| Error::Internal(error.to_string()))?;
    }
    if applicant.organization.is_none() {
        record.home.of_domain = record.proven;
    }
    Ok(record)
}

/// Which marks of `directory_departed` mean who comes.
fn departures(
    applicant: &Applicant<'_>,
    addresses: &[String],
    value: &mut impl FnMut(Value) -> String,
) -> String {
    let mut marks = vec![(DepartedKind::Address, addresses.join(", "))];
    if let Some(subject) = applicant.subject {
        marks.push((DepartedKind::ExternalId, value(subject.into())));
        if let Some(issuer) = applicant.source.issuer() {
            let before = match &applicant.source {
                Source::Connection { id, .. } => Some(issuers_of(*id)),
                _ => None,
            };
            let keys = [Some(issuer), before].into_iter().flatten();
            let keys: Vec<String> = keys.map(|issuer| value(identity_key(&issuer, subject).into())).collect();
            marks.push((DepartedKind::Identity, keys.join(", ")));
        }
    }
    let marks = marks.into_iter().filter(|(_, keys)| !keys.is_empty());
    let marks: Vec<String> =
        marks.map(|(kind, keys)| format!("(kind = '{kind}' AND key IN ({keys}))")).collect();
    marks.join(" OR ")
}

/// Whether the domain of the address says anything of who comes with it from there.
fn names_its_domain(applicant: &Applicant<'_>) -> bool {
    match applicant.source {
        Source::Connection { .. } => applicant.verified != Some(false),
        Source::Issuer(_) => applicant.verified == Some(true),
        Source::Directory => true,
        Source::Invitation | Source::Approval => false,
    }
}

impl Record {
    fn take(&mut self, row: &QueryResult, applicant: &Applicant<'_>) -> Result<(), sea_orm::DbErr> {
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
                let of_claim = applicant.address.is_some_and(|address| fold(address) == fold(&email));
                self.pending.push(Pending { id, organization, role, of_claim });
                self.invited.insert(id, email);
            }
            (None, None) if what == PROVEN => self.proven = Some(organization),
            (None, None) => self.home.default = Some(organization),
        }
        Ok(())
    }
}
