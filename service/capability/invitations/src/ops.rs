//! Invited, reminded, revoked.

use chrono::TimeDelta;
use directory::{InvitationFacts, NewExpected, fold};
use entity::by_name::ByName;
use entity::invitations::invitation::{Column, Entity, Model};
use entity::invitations::states::{InvitationKind, InvitationStatus, InvitationVerb};
use entity::tenancy::tenant;
use mail::NewMail;
use platform::crypto::{hex, one_time_secret, same, sha256};
use platform::{DbError, Target, Timestamp, Tx, View, Work, ids};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect, Select};
use serde_json::json;
use uuid::Uuid;
use web::{IfMatch, Tools};

use crate::error::Error;
use crate::settings::Settings;

/// How many invitations are revoked at a time.
const AT_ONCE: u64 = 500;
/// What an invitation's token begins with.
const PREFIX: &str = "tnt_inv_";

// Accepted and revoked are `directory`'s: whichever door a person uses.
platform::events! {
    /// An invitation was created.
    pub(crate) struct InvitationCreated = "invitation.created" (InvitationFacts)
    /// An invitation expired before it was accepted.
    pub(crate) struct InvitationExpired = "invitation.expired" (InvitationFacts)
}

/// An invitation to be made.
#[derive(Debug)]
pub struct NewInvitation {
    /// The organization.
    pub organization: Uuid,
    /// To whom.
    pub email: String,
    /// As what.
    pub role: TenantRole,
    /// A word to them.
    pub message: Option<String>,
    /// Who invites, for people.
    pub inviter: String,
    /// Whether the person themselves asked.
    pub kind: InvitationKind,
    /// In which language; `None`: the tenant's.
    pub locale: Option<String>,
    /// Until when; `None`: for the usual time.
    pub expires_at: Option<Timestamp>,
    /// The batch that it belongs to.
    pub batch: Option<Uuid>,
}

impl NewInvitation {
    /// One of the usual kind.
    pub fn personal(organization: Uuid, email: String, role: TenantRole, inviter: String) -> Self {
        Self {
            organization,
            email,
            role,
            message: None,
            inviter,
            kind: InvitationKind::Personal,
            locale: None,
            expires_at: None,
            batch: None,
        }
    }
}

/// The pending invitation of an address, if there is one.
pub async fn pending_for(view: &View, organization: Uuid, email: &str) -> Result<Option<Model>, DbError> {
    view.one(pending(view).filter(of_address(organization, email))).await
}

fn pending(view: &View) -> Select<Entity> {
    view.select::<Entity>().filter(Column::Status.eq(InvitationStatus::Pending))
}

fn of_address(organization: Uuid, email: &str) -> Condition {
    Condition::all().add(Column::OrganizationId.eq(organization)).add(Column::EmailKey.eq(fold(email)))
}

/// Whether a pending invitation is in the way of a new one of this kind. What people asked for themselves, or strangers in their name,
/// is not in the way of an admin who invites them.
fn stands_in_the_way(there: &Model, new: InvitationKind) -> bool {
    there.kind == InvitationKind::Personal || new != InvitationKind::Personal
}

/// Invites somebody, holds their seat, and leaves the mail.
///
/// # Errors
/// [`Error::Pending`] if the address has one that can still be accepted; [`Error::Directory`] where there is no seat.
pub async fn create(
    tx: &mut Tx,
    tools: &Tools,
    tenant: &tenant::Model,
    new: NewInvitation,
) -> Result<Model, Error> {
    // Locked: whoever accepts it at this moment has accepted it, or finds it ended.
    if let Some(old) = tx.lock(pending(tx).filter(of_address(new.organization, &new.email))).await? {
        if old.expires_at <= tx.now() {
            // One that is over makes room.
            expire(tx, old).await?;
        } else if stands_in_the_way(&old, new.kind) {
            return Err(Error::Pending { invitation: Some(old.id) });
        } else {
            directory::revoke_invitation(tx, old, None).await?;
        }
    }
    let id = ids::new();
    let (token, digest) = match new.kind {
        InvitationKind::Personal => {
            let (token, digest) = one_time_secret(PREFIX);
            (token.to_string(), digest)
        }
        InvitationKind::Join | InvitationKind::Request => own_token(tools, id),
    };
    let row = Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        id,
        kind: new.kind,
        email_key: fold(&new.email),
        email: new.email,
        role: ByName(new.role),
        token_digest: digest.to_vec(),
        status: InvitationStatus::Pending,
        message: new.message,
        inviter: new.inviter,
        locale: new.locale,
        batch_id: new.batch,
        user_id: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
        expires_at: new.expires_at.unwrap_or(expiry(tools, tx.now())),
        accepted_at: None,
        revoked_at: None,
    };
    tx.insert(row.clone()).await.map_err(Error::of_invitation)?;
    forgive(tx, &row).await?;
    hold(tx, &row).await?;
    send(tx, tools, tenant, &row, &token, row.version.to_string()).await?;
    tx.record("invitation.create", Target::new("invitation", row.id));
    tx.emit(&InvitationCreated(InvitationFacts::of(&row)));
    Ok(row)
}

/// The token of an invitation that a person asked for themselves. It is made of its id, so that whoever asks again gets the same link, and
/// nobody's link is dead because somebody else asked. Without the master key it is as random as any other.
fn own_token(tools: &Tools, id: Uuid) -> (String, [u8; 32]) {
    let secret = hex(&tools.envelope.mark("invitation token", id.as_bytes()));
    let token = format!("{PREFIX}{secret}");
    let digest = sha256(token.as_bytes());
    (token, digest)
}

/// Mails the link of an invitation that a person asked for themselves once more; the invitation stays as it is. One whose token somebody
/// else made is left alone.
pub(crate) async fn remind(
    tx: &mut Tx,
    tools: &Tools,
    tenant: &tenant::Model,
    row: &Model,
) -> Result<(), Error> {
    let (token, digest) = own_token(tools, row.id);
    if !same(&digest, &row.token_digest) {
        return Ok(());
    }
    let occasion = format!("{}:{}", row.version, tx.now().timestamp());
    send(tx, tools, tenant, row, &token, occasion).await
}

/// Refuses what [`create`] would refuse after it began to write.
///
/// # Errors
/// [`Error::Pending`], [`Error::Quota`]
pub(crate) async fn require_below_limit(
    view: &View,
    organization: Uuid,
    email: &str,
    role: TenantRole,
) -> Result<(), Error> {
    if let Some(there) = pending_for(view, organization, email).await?
        && there.expires_at > view.now()
        && stands_in_the_way(&there, InvitationKind::Personal)
    {
        return Err(Error::Pending { invitation: Some(there.id) });
    }
    let seats: Vec<&str> = directory::seats_of(role).collect();
    let usage = quota::list(view).await?;
    let full = usage
        .into_iter()
        .find(|usage| seats.contains(&usage.resource.as_str()) && usage.remaining() == Some(0));
    match full {
        Some(usage) => Err(quota::Error::Exceeded(usage).into()),
        None => Ok(()),
    }
}

/// Who was removed by their directory comes back by the word of an admin, which is newer; their own asking is none.
async fn forgive(tx: &Tx, row: &Model) -> Result<(), DbError> {
    match row.kind {
        InvitationKind::Personal => {
            directory::forgive(tx, row.organization_id, std::slice::from_ref(&row.email_key)).await
        }
        InvitationKind::Join | InvitationKind::Request => Ok(()),
    }
}

/// Whoever an admin invited is expected, and has a seat; whoever asked themselves takes one when they come.
async fn hold(tx: &mut Tx, row: &Model) -> Result<(), Error> {
    if row.kind != InvitationKind::Personal {
        return Ok(());
    }
    let expected = NewExpected {
        organization: row.organization_id,
        email: &row.email,
        role: row.role.0,
        invitation: row.id,
        until: row.expires_at,
    };
    Ok(directory::expect(tx, expected).await?)
}

fn expiry(tools: &Tools, now: Timestamp) -> Timestamp {
    now + TimeDelta::from_std(tools.config.section::<Settings>().lifetime).unwrap_or(TimeDelta::days(7))
}

async fn send(
    tx: &mut Tx,
    tools: &Tools,
    tenant: &tenant::Model,
    row: &Model,
    token: &str,
    occasion: String,
) -> Result<(), Error> {
    // From the configuration, never from the request's Host.
    let link = format!("{}/invitations/accept?token={token}", tools.config.public_url());
    let values = json!({
        "inviter": row.inviter, "tenant": tenant.name, "role": row.role, "message": row.message, "link": link,
        "expires_at": row.expires_at,
    });
    let occasion = format!("{}:{occasion}", row.id);
    let mail = NewMail::new("invitation", &row.email, occasion, values);
    let (organization, locale) = (Some(row.organization_id), row.locale.as_deref());
    Ok(mail::enqueue(tx, tools, NewMail { organization, locale, ..mail }).await?)
}

pub(crate) async fn get(view: &View, id: Uuid) -> Result<Model, Error> {
    let found = view.one(view.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

async fn locked(tx: &Tx, id: Uuid) -> Result<Model, Error> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

/// Sends a new token; the old one is dead. One that is over begins anew.
pub(crate) async fn resend(
    tx: &mut Tx,
    tools: &Tools,
    tenant: &tenant::Model,
    id: Uuid,
) -> Result<Model, Error> {
    let row = locked(tx, id).await?;
    let status = directory::next(&row, InvitationVerb::Resend)?;
    let (token, digest) = one_time_secret(PREFIX);
    let row = Model {
        token_digest: digest.to_vec(),
        status,
        version: row.version + 1,
        updated_at: tx.now(),
        expires_at: expiry(tools, tx.now()),
        ..row
    };
    tx.update(row.clone()).await.map_err(Error::of_invitation)?;
    forgive(tx, &row).await?;
    hold(tx, &row).await?;
    send(tx, tools, tenant, &row, &token, row.version.to_string()).await?;
    tx.record("invitation.resend", Target::new("invitation", id));
    Ok(row)
}

pub(crate) async fn revoke(tx: &mut Tx, id: Uuid, seen: &IfMatch) -> Result<(), Error> {
    let row = locked(tx, id).await?;
    directory::next(&row, InvitationVerb::Revoke)?;
    seen.require(row.version)?;
    Ok(directory::revoke_invitation(tx, row, None).await?)
}

/// Revokes all that are pending.
///
/// # Errors
/// [`Error::Directory`], [`Error::Store`]
pub async fn revoke_all(tx: &mut Tx) -> Result<(), Error> {
    // All of them before the first one's seat: locks have an order.
    tx.lock_all::<_, Uuid>(pending(tx), Column::Id).await?;
    loop {
        let rows = tx.lock_rows(pending(tx).limit(AT_ONCE), Column::Id).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            directory::revoke_invitation(tx, row, None).await?;
        }
    }
}

/// Removes all, as if nobody had been invited: for a tenant that is unmade before it was there.
///
/// # Errors
/// [`Error::Directory`], [`Error::Store`]
pub async fn forget_all(tx: &mut Tx) -> Result<(), Error> {
    for row in tx.all(tx.select::<Entity>()).await? {
        directory::forget_expected(tx, row.id).await?;
    }
    tx.purge(tx.remove::<Entity>()).await?;
    Ok(())
}

/// It was not accepted in time; its seat is free.
pub(crate) async fn expire(tx: &mut Tx, row: Model) -> Result<(), Error> {
    let (status, now) = (directory::next(&row, InvitationVerb::Expire)?, tx.now());
    let row = Model { status, version: row.version + 1, updated_at: now, ..row };
    directory::forget_expected(tx, row.id).await?;
    tx.update(row.clone()).await?;
    tx.record("invitation.expire", Target::new("invitation", row.id));
    tx.emit(&InvitationExpired(InvitationFacts::of(&row)));
    Ok(())
}
