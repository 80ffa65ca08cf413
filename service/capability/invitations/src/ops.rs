//! Invited, reminded, accepted, revoked.

use chrono::TimeDelta;
use directory::{NewUser, Source, fold};
use entity::invitations::invitation::{Column, Entity, Model};
use entity::tenancy::tenant;
use mail::NewMail;
use platform::crypto::{one_time_secret, sha256};
use platform::db::Lookup;
use platform::tx::Event;
use platform::{Ctx, DbError, Target, Timestamp, Tx, View, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use web::{Code, IfMatch, Problem, Service};

/// What an invitation's token begins with.
const PREFIX: &str = "tnt_inv_";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvitationFacts<'a> {
    invitation_id: Uuid,
    organization_id: Uuid,
    email: &'a str,
    role: &'a str,
}

macro_rules! invitation_events {
    ($($variant:ident = $name:literal;)*) => {$(
        #[derive(Serialize)]
        struct $variant<'a>(InvitationFacts<'a>);
        impl Event for $variant<'_> {
            const TYPE: &'static str = $name;
        }
    )*};
}

invitation_events! {
    Created = "invitation.created";
    Accepted = "invitation.accepted";
    Revoked = "invitation.revoked";
}

fn facts(row: &Model) -> InvitationFacts<'_> {
    InvitationFacts {
        invitation_id: row.id,
        organization_id: row.organization_id,
        email: &row.email,
        role: &row.role,
    }
}

/// An invitation to be made.
#[derive(Debug)]
pub struct NewInvitation {
    /// The organization.
    pub organization: Uuid,
    /// To whom.
    pub email: String,
    /// As what.
    pub role: String,
    /// A word to them.
    pub message: Option<String>,
    /// Who invites, for people.
    pub inviter: String,
}

/// The pending invitation of an address, if there is one.
///
/// # Errors
/// [`DbError`].
pub async fn pending_for(view: &View, organization: Uuid, email: &str) -> Result<Option<Model>, DbError> {
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    view.one(select.filter(Column::EmailKey.eq(fold(email))).filter(Column::Status.eq("pending"))).await
}

/// Invites somebody, and leaves the mail.
///
/// # Errors
/// `invitation.pending` if the address has one that can still be accepted.
pub async fn create(
    tx: &mut Tx,
    service: &Service,
    tenant: &tenant::Model,
    new: NewInvitation,
) -> Result<Model, Problem> {
    if tenant.billing_state == "grace" {
        return Err(Problem::new(Code::SeatBlocked).fact("resource", "users"));
    }
    if let Some(old) = pending_for(tx, new.organization, &new.email).await? {
        if old.expires_at > tx.now() {
            return Err(Problem::new(Code::InvitationPending).fact("invitationId", old.id.to_string()));
        }
        // One that is over makes room.
        tx.update(Model {
            status: "revoked".to_owned(),
            revoked_at: Some(tx.now()),
            updated_at: tx.now(),
            ..old
        })
        .await?;
    }
    let (token, digest) = one_time_secret(PREFIX);
    let row = Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        id: ids::new(),
        email_key: fold(&new.email),
        email: new.email,
        role: new.role,
        token_digest: digest.to_vec(),
        status: "pending".to_owned(),
        message: new.message,
        inviter: new.inviter,
        user_id: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
        expires_at: expiry(service, tx.now()),
        accepted_at: None,
        revoked_at: None,
    };
    tx.insert(row.clone()).await.map_err(|error| match error {
        DbError::Conflict(_) => Problem::new(Code::InvitationPending),
        other => other.into(),
    })?;
    send(tx, service, tenant, &row, &token).await?;
    tx.record("invitation.create", Target::new("invitation", row.id));
    tx.emit(&Created(facts(&row)));
    Ok(row)
}

fn expiry(service: &Service, now: Timestamp) -> Timestamp {
    now + TimeDelta::from_std(service.config.invitations.lifetime).unwrap_or(TimeDelta::days(7))
}

pub(crate) fn day(at: Timestamp) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

async fn send(
    tx: &mut Tx,
    service: &Service,
    tenant: &tenant::Model,
    row: &Model,
    token: &str,
) -> Result<(), Problem> {
    // From the configuration, never from the request's Host.
    let link = format!("{}/invitations/accept?token={token}", service.config.public_url());
    let values = json!({
        "inviter": row.inviter, "tenant": tenant.name, "role": row.role, "message": row.message, "link": link,
        "expires_at": day(row.expires_at),
    });
    let dedupe_key = format!("invitation:{}:{}", row.id, row.version);
    mail::enqueue(tx, service, NewMail { template: "invitation", recipient: &row.email, dedupe_key, values })
        .await
}

pub(crate) async fn get(view: &View, id: Uuid) -> Result<Model, Problem> {
    let found = view.one(view.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or_else(|| Problem::new(Code::NotFound))
}

async fn pending(tx: &Tx, id: Uuid) -> Result<Model, Problem> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(id))).await?;
    let row = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    if row.status != "pending" {
        return Err(Problem::new(Code::InvitationNotPending).fact("status", row.status));
    }
    Ok(row)
}

/// Sends a new token; the old one is dead.
pub(crate) async fn resend(tx: &mut Tx, service: &Service, id: Uuid) -> Result<Model, Problem> {
    let tenant = tenancy::active(tx).await?;
    let row = pending(tx, id).await?;
    let (token, digest) = one_time_secret(PREFIX);
    let row = Model {
        token_digest: digest.to_vec(),
        version: row.version + 1,
        updated_at: tx.now(),
        expires_at: expiry(service, tx.now()),
        ..row
    };
    tx.update(row.clone()).await?;
    send(tx, service, &tenant, &row, &token).await?;
    tx.record("invitation.resend", Target::new("invitation", id));
    Ok(row)
}

pub(crate) async fn revoke(tx: &mut Tx, id: Uuid, seen: &IfMatch) -> Result<(), Problem> {
    let row = pending(tx, id).await?;
    seen.require(row.version)?;
    revoke_row(tx, row).await
}

async fn revoke_row(tx: &mut Tx, row: Model) -> Result<(), Problem> {
    let now = tx.now();
    let row = Model {
        status: "revoked".to_owned(),
        revoked_at: Some(now),
        version: row.version + 1,
        updated_at: now,
        ..row
    };
    tx.update(row.clone()).await?;
    tx.record("invitation.revoke", Target::new("invitation", row.id));
    tx.emit(&Revoked(facts(&row)));
    Ok(())
}

/// Revokes all that are pending.
///
/// # Errors
/// `internal`.
pub async fn revoke_all(tx: &mut Tx) -> Result<(), Problem> {
    for row in tx.all(tx.select::<Entity>().filter(Column::Status.eq("pending"))).await? {
        revoke_row(tx, row).await?;
    }
    Ok(())
}

/// An invitation that can be accepted now, and by whose invitation.
pub(crate) async fn look(service: &Service, token: &str) -> Result<(Model, tenant::Model), Problem> {
    let digest = sha256(token.as_bytes());
    let unknown = || Problem::new(Code::InvitationUnknown);
    let tenant = service.db.tenant_of(Lookup::Invitation(&digest)).await?.ok_or_else(unknown)?;
    service
        .db
        .read(tenant, async |view| {
            let tenant = tenancy::active(view).await?;
            let row =
                view.one(view.select::<Entity>().filter(Column::TokenDigest.eq(digest.to_vec()))).await?;
            let row = row.ok_or_else(unknown)?;
            // Whoever holds a dead token is told that it is dead, and nothing else.
            if row.status != "pending" || row.expires_at <= view.now() {
                return Err(Problem::new(Code::InvitationGone));
            }
            Ok((row, tenant))
        })
        .await
}

/// Redeems a token: of many at once, one wins. The person becomes a user of the organization.
pub(crate) async fn accept(
    service: &Service,
    ctx: &Ctx,
    token: &str,
    display_name: Option<String>,
) -> Result<(Model, tenant::Model), Problem> {
    let digest = sha256(token.as_bytes());
    let unknown = || Problem::new(Code::InvitationUnknown);
    let tenant = service.db.tenant_of(Lookup::Invitation(&digest)).await?.ok_or_else(unknown)?;
    service
        .db
        .write(ctx, tenant, async |tx| {
            let tenant = tenancy::active(tx).await?;
            let sql = "UPDATE invitation SET status = 'accepted', accepted_at = $3, updated_at = $3, version = version + 1 \
                       WHERE tenant_id = $1 AND token_digest = $2 AND status = 'pending' AND expires_at > $3";
            let redeemed = tx.execute(sql, vec![digest.to_vec().into(), tx.now().into()]).await?;
            if redeemed == 0 {
                return Err(Problem::new(Code::InvitationGone));
            }
            let row = tx.one(tx.select::<Entity>().filter(Column::TokenDigest.eq(digest.to_vec()))).await?;
            let row = row.ok_or_else(unknown)?;
            let user = member(tx, &row, display_name).await?;
            let row = Model { user_id: Some(user), ..row };
            tx.update(row.clone()).await?;
            tx.record("invitation.accept", Target::new("invitation", row.id));
            tx.emit(&Accepted(facts(&row)));
            Ok((row, tenant))
        })
        .await
}

/// The user whom the invitation makes; whoever already has this name stays who they are.
async fn member(tx: &mut Tx, row: &Model, display_name: Option<String>) -> Result<Uuid, Problem> {
    if let Some(there) = directory::user_by_name(tx, row.organization_id, &row.email).await? {
        return if there.active { Ok(there.id) } else { Err(Problem::new(Code::UserDeactivated)) };
    }
    let mut resource: Map<String, Value> = Map::new();
    resource.insert("userName".to_owned(), row.email.as_str().into());
    resource.insert("active".to_owned(), true.into());
    resource.insert("emails".to_owned(), json!([{"value": row.email, "primary": true}]));
    if let Some(name) = display_name {
        resource.insert("displayName".to_owned(), name.into());
    }
    let new = NewUser {
        organization: row.organization_id,
        resource,
        source: Source::Invitation,
        role: row.role.clone(),
    };
    let (user, _) = directory::create_user(tx, &directory::USERS, new).await?;
    Ok(user.id)
}
