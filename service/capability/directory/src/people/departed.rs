//! Who left: what a directory says of whom it switches off or removes counts at every door, whatever they call themselves there.

use entity::directory::states::DepartedKind;
use entity::directory::{identity, user};
use platform::{DbError, Tx};
use sea_orm::Value;
use serde_json::{Map, Value as Json};
use uuid::Uuid;
use web::Problem;

use super::invitations;
use crate::model::UserColumns;

/// Days for which it is remembered whom a directory removed.
pub const DEPARTED_DAYS: i64 = 400;

/// Every address of a user, folded.
pub(crate) fn addresses(row: &user::Model) -> Vec<String> {
    row.resource.as_object().map(|resource| addresses_in(resource, usize::MAX)).unwrap_or_default()
}

/// The first addresses in the attributes of a user, folded and in order, so that who takes several takes them alike: the user name, and
/// the e-mails.
pub(super) fn addresses_in(resource: &Map<String, Json>, most: usize) -> Vec<String> {
    let columns = UserColumns::of(resource);
    let emails = columns.emails.into_iter().map(|(_, value)| value);
    let mut all: Vec<String> =
        std::iter::once(identity_core::fold(&columns.user_name)).chain(emails).take(most).collect();
    all.sort();
    all.dedup();
    all
}

/// The address of a user with these attributes: the first e-mail, else a user name that is one.
pub fn address_of(resource: &Map<String, Json>) -> Option<String> {
    let columns = UserColumns::of(resource);
    columns.email.or(Some(columns.user_name).filter(|name| web::is_email(name)))
}

/// How an identity is remembered; neither part can hold what stands between them.
pub(super) fn identity_key(issuer: &str, subject: &str) -> String {
    format!("{issuer}\n{subject}")
}

/// Whom the directory says goodbye to: their invitations end with it. `identities`: they are removed, and it is remembered by what
/// they could come back.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn leave(
    tx: &mut Tx,
    row: &user::Model,
    identities: Option<&[identity::Model]>,
) -> Result<(), Problem> {
    if tx.ctx().actor.kind != "scim_token" {
        return Ok(());
    }
    let keys = addresses(row);
    invitations::end_all(tx, &keys).await?;
    let Some(identities) = identities else { return Ok(()) };
    let mut marks: Vec<(DepartedKind, String)> =
        keys.into_iter().map(|key| (DepartedKind::Address, key)).collect();
    marks.extend(row.external_id.clone().map(|id| (DepartedKind::ExternalId, id)));
    marks.extend(
        identities.iter().map(|one| (DepartedKind::Identity, identity_key(&one.issuer, &one.subject))),
    );
    let mut values: Vec<Value> = vec![row.organization_id.into(), row.id.into(), tx.now().into()];
    let mut rows = Vec::new();
    for (kind, key) in marks {
        values.push(key.into());
        rows.push(format!("($1, $2, '{kind}', ${}, $3, $4)", values.len() + 1));
    }
    let sql = format!(
        "INSERT INTO directory_departed (tenant_id, organization_id, kind, key, user_id, departed_at) VALUES {} \
         ON CONFLICT (tenant_id, organization_id, kind, key) DO UPDATE SET user_id = excluded.user_id, departed_at = excluded.departed_at",
        rows.join(", ")
    );
    tx.execute(&sql, values).await?;
    Ok(())
}

/// The organization knows somebody of these addresses, or by this directory's subject, again.
///
/// # Errors
/// [`DbError`].
pub async fn forget_departed(
    tx: &Tx,
    organization: Uuid,
    keys: &[String],
    subject: Option<&str>,
) -> Result<(), DbError> {
    let mut values: Vec<Value> = vec![organization.into()];
    let mut value = |text: &str| {
        values.push(text.into());
        format!("${}", values.len() + 1)
    };
    let addresses: Vec<String> = keys.iter().map(|key| value(key)).collect();
    let of_address = (DepartedKind::Address, addresses.join(", "));
    let of_subject = subject.map(|subject| (DepartedKind::ExternalId, value(subject)));
    let marks: Vec<String> = std::iter::once(of_address)
        .chain(of_subject)
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(kind, keys)| format!("(kind = '{kind}' AND key IN ({keys}))"))
        .collect();
    if marks.is_empty() {
        return Ok(());
    }
    // All that is remembered of the person, not only by what they came back.
    let marks = marks.join(" OR ");
    let sql = format!(
        "DELETE FROM directory_departed WHERE tenant_id = $1 AND organization_id = $2 AND user_id IN \
         (SELECT user_id FROM directory_departed WHERE tenant_id = $1 AND organization_id = $2 AND ({marks}))"
    );
    tx.execute(&sql, values).await.map(drop)
}
