//! Who left: what a directory says of whom it switches off or removes counts at every door, whatever they call themselves there.

use entity::directory::states::DepartedKind;
use entity::directory::{identity, user};
use platform::{DbError, Tx};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::invitations;
use crate::error::Error;
use crate::model::{UserColumns, mailbox};
use crate::ops::users::Writer;
use crate::store::departed;

/// Days for which it is remembered whom a directory removed.
pub(crate) const DEPARTED_DAYS: i64 = 400;

/// Every address of a user, folded.
pub(crate) fn addresses(row: &user::Model) -> Vec<String> {
    row.resource.as_object().map(|resource| addresses_in(resource, usize::MAX)).unwrap_or_default()
}

/// The first addresses in the attributes of a user, folded and in order, so that who takes several takes them alike: the one that
/// counts as theirs, the user name, and the other e-mails.
pub(super) fn addresses_in(resource: &Map<String, Json>, most: usize) -> Vec<String> {
    let columns = UserColumns::of(resource);
    let first = address_of(resource).map(|address| identity_core::fold(&address));
    let emails = columns.emails.into_iter().map(|(_, value)| value);
    let name = identity_core::fold(&columns.user_name);
    let mut all: Vec<String> = first.into_iter().chain([name]).chain(emails).take(most).collect();
    all.sort();
    all.dedup();
    all
}

/// The address of a user with these attributes: the first e-mail, else a user name that is one.
pub fn address_of(resource: &Map<String, Json>) -> Option<String> {
    let columns = UserColumns::of(resource);
    mailbox(columns.email, columns.user_name)
}

/// How an identity is remembered; neither part can hold what stands between them.
pub(crate) fn identity_key(issuer: &str, subject: &str) -> String {
    format!("{issuer}\n{subject}")
}

/// Whom the directory says goodbye to: their invitations end with it. `identities`: they are removed, and it is remembered by what
/// they could come back.
///
/// # Errors
/// [`Error::InvitationNotPending`] and [`Error::Store`].
pub(crate) async fn leave(
    tx: &mut Tx,
    row: &user::Model,
    identities: Option<&[identity::Model]>,
) -> Result<(), Error> {
    if Writer::of(&tx.ctx().actor) != Writer::Directory {
        return Ok(());
    }
    let keys = addresses(row);
    let Some(identities) = identities else { return invitations::end_all(tx, &keys).await };
    let mut marks = addressed(&keys);
    marks.extend(row.external_id.clone().map(|id| (DepartedKind::ExternalId, id)));
    marks.extend(
        identities.iter().map(|one| (DepartedKind::Identity, identity_key(&one.issuer, &one.subject))),
    );
    departed::mark(tx, row, marks).await?;
    invitations::end_all(tx, &keys).await
}

/// The directory calls somebody otherwise: by the names that they had nobody comes in any more, nor by an invitation to one of them,
/// until the directory gives it to somebody, or an admin invites it.
///
/// # Errors
/// [`Error::InvitationNotPending`] and [`Error::Store`].
pub(crate) async fn renamed(tx: &mut Tx, before: Vec<String>, row: &user::Model) -> Result<(), Error> {
    let has = addresses(row);
    let lost: Vec<String> = before.into_iter().filter(|key| !has.contains(key)).collect();
    if lost.is_empty() || Writer::of(&tx.ctx().actor) != Writer::Directory {
        return Ok(());
    }
    departed::mark(tx, row, addressed(&lost)).await?;
    invitations::end_all(tx, &lost).await
}

fn addressed(keys: &[String]) -> Vec<(DepartedKind, String)> {
    keys.iter().map(|key| (DepartedKind::Address, key.clone())).collect()
}

/// An admin wants somebody back: nothing is remembered any more of whom the directory removed with one of these addresses.
pub async fn forgive(tx: &Tx, organization: Uuid, keys: &[String]) -> Result<(), DbError> {
    departed::forget_of_addresses(tx, organization, keys).await
}

/// The directory has somebody of these addresses again. It is whom it removed if it calls them by the same subject; otherwise the addresses
/// are somebody else's now, and who left is still recognized by the rest.
pub(crate) async fn there_again(
    tx: &Tx,
    organization: Uuid,
    keys: &[String],
    subject: Option<&str>,
) -> Result<(), DbError> {
    departed::forget_addresses_or_subject(tx, organization, keys, subject).await
}
