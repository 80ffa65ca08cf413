//! What the decision about people does to an invitation: it ends, accepted or revoked, with its seat given on or free.

use entity::by_name::ByName;
use entity::invitations::invitation::{Column, Entity, Model};
use entity::invitations::states::{InvitationKind, InvitationStatus, InvitationVerb};
use identity_core::{Proof, fold};
use platform::{DbError, Target, Timestamp, Tx, Work};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::json;
use uuid::Uuid;

use crate::error::Error;
use crate::ops::expected::forget_expected;

platform::facts! {
    /// What is told of an invitation.
    pub struct InvitationFacts { invitation_id: Uuid, organization_id: Uuid, email: String, role: ByName<TenantRole> }
}

impl InvitationFacts {
    /// Of this one.
    pub fn of(row: &Model) -> Self {
        Self {
            invitation_id: row.id,
            organization_id: row.organization_id,
            email: row.email.clone(),
            role: row.role,
        }
    }
}

// A person arrives who was invited and came by another way than the mailed token.
platform::events! {
    /// An invitation was accepted.
    pub(crate) struct InvitationAccepted = "invitation.accepted" (InvitationFacts)
    /// An invitation was revoked.
    pub(crate) struct InvitationRevoked = "invitation.revoked" (InvitationFacts)
    /// An invited person signed in through an identity provider.
    pub(crate) struct UserJoined = "user.joined" { user_id: Uuid, organization_id: Uuid, invitation_id: Uuid }
}

/// Marks an invitation as accepted by somebody who came by another way than its token.
pub(super) async fn accept_without_token(tx: &mut Tx, row: Model, user: Uuid) -> Result<(), Error> {
    let row = accept_invitation(tx, row, Some(user)).await?;
    tx.emit(&UserJoined { user_id: user, organization_id: row.organization_id, invitation_id: row.id });
    Ok(())
}

/// Refuses an invitation that can't be accepted now.
///
/// # Errors
/// `invitation.gone`.
pub fn require_open(row: Model, now: Timestamp) -> Result<Model, Error> {
    let is_open = row.status.after(InvitationVerb::Accept).is_some() && row.expires_at > now;
    if is_open { Ok(row) } else { Err(Error::InvitationGone) }
}

/// Where an invitation stands after what an admin, or the directory, does to it.
///
/// # Errors
/// `invitation.not_pending`.
pub fn next(row: &Model, verb: InvitationVerb) -> Result<InvitationStatus, Error> {
    row.status.after(verb).ok_or(Error::InvitationNotPending { status: row.status })
}

/// The invitation, locked, if it can be accepted now.
///
/// # Errors
/// `invitation.gone`.
pub async fn open_invitation(tx: &Tx, id: Uuid) -> Result<Model, Error> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(id))).await?;
    require_open(found.ok_or(Error::InvitationGone)?, tx.now())
}

/// What somebody proves who shows the token of a pending invitation of this address.
pub async fn proof_of_token(tx: &Tx, digest: &[u8], address: &str) -> Result<Option<Proof>, DbError> {
    let pending = tx.select::<Entity>().filter(Column::TokenDigest.eq(digest.to_vec()));
    let pending = pending.filter(Column::Status.eq(InvitationStatus::Pending)).filter(Column::Kind.eq(KIND));
    let found = tx.one(pending.filter(Column::ExpiresAt.gt(tx.now()))).await?;
    Ok(found.filter(|row| row.email_key == fold(address)).map(|row| Proof::Invitation(row.id)))
}

/// Marks an invitation, which is locked, as accepted. Its seat is given on by who makes or raises the user.
///
/// # Errors
/// [`Error::InvitationGone`] and [`Error::Store`].
pub async fn accept_invitation(tx: &mut Tx, row: Model, user: Option<Uuid>) -> Result<Model, Error> {
    let status = row.status.after(InvitationVerb::Accept).ok_or(Error::InvitationGone)?;
    let row = Model {
        status,
        accepted_at: Some(tx.now()),
        user_id: user,
        version: row.version + 1,
        updated_at: tx.now(),
        ..row
    };
    tx.update(row.clone()).await?;
    tx.record("invitation.accept", Target::new("invitation", row.id));
    tx.emit(&InvitationAccepted(InvitationFacts::of(&row)));
    Ok(row)
}

/// Ends an invitation that nobody may accept any more; its seat is free.
///
/// # Errors
/// [`Error::InvitationNotPending`] and [`Error::Store`].
pub async fn revoke_invitation(tx: &mut Tx, row: Model, why: Option<&'static str>) -> Result<(), Error> {
    let row = Model {
        status: next(&row, InvitationVerb::Revoke)?,
        revoked_at: Some(tx.now()),
        version: row.version + 1,
        updated_at: tx.now(),
        ..row
    };
    forget_expected(tx, row.id).await?;
    tx.update(row.clone()).await?;
    let target = Target::new("invitation", row.id);
    tx.record("invitation.revoke", why.map_or(target.clone(), |why| target.with(json!({"why": why}))));
    tx.emit(&InvitationRevoked(InvitationFacts::of(&row)));
    Ok(())
}

/// Pending invitations of one person that end with one word of their directory; an address has one in each organization.
pub(super) const ENDED_MAX: u64 = 100;

/// The directory's word ends the invitations of whom it removes, in every organization of the tenant.
pub(super) async fn end_all(tx: &mut Tx, keys: &[String]) -> Result<(), Error> {
    let pending = tx.select::<Entity>().filter(Column::Status.eq(InvitationStatus::Pending));
    let pending = pending.filter(Column::EmailKey.is_in(keys)).limit(ENDED_MAX);
    for row in tx.lock_rows(pending, Column::Id).await? {
        revoke_invitation(tx, row, Some("directory")).await?;
    }
    Ok(())
}

/// Whether an invitation is one that holds a seat and is anybody's to consume who proves its address.
pub(crate) const KIND: InvitationKind = InvitationKind::Personal;

/// Whether somebody is invited who will run the tenant.
pub(super) async fn admin_is_expected(tx: &Tx) -> Result<bool, DbError> {
    let pending = tx.select::<Entity>().filter(Column::Status.eq(InvitationStatus::Pending));
    let pending = pending.filter(Column::Role.eq(ByName(TenantRole::Admin)));
    Ok(tx.one(pending.filter(Column::ExpiresAt.gt(tx.now()))).await?.is_some())
}
