//! `/api/v1/tenants/{tenant}/invitations`, and the page that accepts one.

mod accept;

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::invitations::invitation::{Column, Entity, Model};
use platform::Timestamp;
use policy_core::{Permission, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page, Problem, Query,
    Routes, Tagged, TenantCaller,
};

use crate::ops::{self, NewInvitation};

const LIST: &str = "/api/v1/tenants/{tenant}/invitations";
const ONE: &str = "/api/v1/tenants/{tenant}/invitations/{invitation_id}";
const RESEND: &str = "/api/v1/tenants/{tenant}/invitations/{invitation_id}/resend";

/// The routes.
pub fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::InvitationsRead), Access::Key(Permission::InvitationsWrite));
    Routes::new()
        .add(Method::POST, LIST, write, "create_invitation: Invite a person by e-mail.", create_invitation)
        .add(Method::GET, LIST, read, "list_invitations: List invitations.", list_invitations)
        .add(Method::GET, ONE, read, "get_invitation: Get an invitation.", get_invitation)
        .add(Method::DELETE, ONE, write, "revoke_invitation: Revoke an invitation.", revoke_invitation)
        .add(
            Method::POST,
            RESEND,
            write,
            "resend_invitation: Send a new token; the old one is dead.",
            resend_invitation,
        )
        .and(accept::routes())
}

/// Whom to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InvitationInput {
    #[schema(max_length = 254)]
    email: String,
    /// `admin`, `contributor`, `viewer`, `guest` or `service`
    role: String,
    /// Id or slug; absent: `default`.
    organization: Option<String>,
    #[schema(max_length = 1000)]
    message: Option<String>,
    /// Who invites, for people; absent: the tenant.
    inviter: Option<String>,
}

impl Input for InvitationInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(web::is_email(&self.email), "/email", "must be an e-mail address");
        let known = Role::parse(&self.role).is_some_and(|role| !role.is_platform());
        errors.require(known, "/role", "must be admin, contributor, viewer, guest or service");
        let short = self.message.as_ref().is_none_or(|text| text.chars().count() <= 1000);
        errors.require(short, "/message", "at most 1000 characters");
        if let Some(inviter) = &self.inviter {
            errors.text("/inviter", inviter, 200);
        }
    }
}

/// An invitation, without its token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Its id.
    pub id: Uuid,
    /// The organization.
    pub organization_id: Uuid,
    /// To whom.
    pub email: String,
    /// As what.
    pub role: String,
    /// `pending`, `accepted`, `revoked` or `expired`
    pub status: String,
    /// A word to them.
    pub message: Option<String>,
    /// Whom it made.
    pub user_id: Option<Uuid>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// Accepted at.
    pub accepted_at: Option<DateTime<Utc>>,
    /// Revoked at.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Invitation {
    fn at(row: Model, now: Timestamp) -> Self {
        let expired = row.status == "pending" && row.expires_at <= now;
        Self {
            id: row.id,
            organization_id: row.organization_id,
            email: row.email,
            role: row.role,
            status: if expired { "expired".to_owned() } else { row.status },
            message: row.message,
            user_id: row.user_id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            accepted_at: row.accepted_at,
            revoked_at: row.revoked_at,
        }
    }
}

async fn create_invitation(
    caller: TenantCaller,
    Body(input): Body<InvitationInput>,
) -> Result<Created<Invitation>, Problem> {
    let row = caller
        .write(async |tx| {
            let tenant = tenancy::active(tx).await?;
            let name = input.organization.as_deref().unwrap_or("default");
            let organization = tenancy::organization_named(tx, name).await?;
            let inviter = input.inviter.unwrap_or_else(|| tenant.name.clone());
            let new = NewInvitation {
                organization: organization.id,
                email: input.email,
                role: input.role,
                message: input.message,
                inviter,
            };
            ops::create(tx, &caller.service, &tenant, new).await
        })
        .await?;
    let location = format!("/api/v1/tenants/{}/invitations/{}", row.tenant_id, row.id);
    Ok(Created(location, Invitation::at(row, caller.service.db.clock().now())))
}

async fn list_invitations(
    caller: TenantCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Invitation>, Problem> {
    let now = caller.service.db.clock().now();
    caller.page::<Entity, _>(&query, Column::Id, |row| Invitation::at(row, now)).await
}

async fn get_invitation(caller: TenantCaller, ids: Ids) -> Result<Tagged<Invitation>, Problem> {
    let id = ids.id("invitation_id")?;
    let row = caller.read(async |view| ops::get(view, id).await).await?;
    Ok(Tagged(row.version, Invitation::at(row, caller.service.db.clock().now())))
}

async fn revoke_invitation(caller: TenantCaller, ids: Ids, seen: IfMatch) -> Result<NoContent, Problem> {
    let id = ids.id("invitation_id")?;
    caller.write(async |tx| ops::revoke(tx, id, &seen).await).await?;
    Ok(NoContent)
}

async fn resend_invitation(caller: TenantCaller, ids: Ids) -> Result<Json<Invitation>, Problem> {
    let id = ids.id("invitation_id")?;
    let row = caller.write(async |tx| ops::resend(tx, &caller.service, id).await).await?;
    Ok(Json(Invitation::at(row, caller.service.db.clock().now())))
}
