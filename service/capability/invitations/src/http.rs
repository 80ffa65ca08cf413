//! `/api/v1/tenants/{tenant}/invitations`, and the page that accepts one.

mod accept;
mod batches;
mod joins;

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, TimeDelta, Utc};
use entity::by_name::ByName;
use entity::invitations::invitation::{Column, Entity, Model};
use entity::invitations::states::{InvitationKind, InvitationStatus, InvitationVerb};
use platform::{Timestamp, Tx, View};
use policy_core::{Permission, TenantRole};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Position, Problem, Query,
    Routes, Tagged, TenantCaller,
};

use crate::inviter;
use crate::ops::{self, NewInvitation};
use crate::rules::{self, Behind};

const LIST: &str = "/api/v1/tenants/{tenant}/invitations";
const ONE: &str = "/api/v1/tenants/{tenant}/invitations/{invitation_id}";
const RESEND: &str = "/api/v1/tenants/{tenant}/invitations/{invitation_id}/resend";

/// The routes.
pub(crate) fn routes() -> Routes {
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
            "resend_invitation: Send an invitation again with a new token; the old one becomes invalid.",
            resend_invitation,
        )
        .and(accept::routes())
        .and(batches::routes())
        .and(joins::routes())
}

/// An invitation to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InvitationInput {
    #[schema(max_length = 254)]
    email: String,
    /// `admin`, `contributor`, `viewer`, `guest` or `service`.
    #[schema(value_type = String)]
    role: ByName<TenantRole>,
    /// The organization's id or slug; absent: `default`.
    organization: Option<String>,
    /// A personal message that the mail shows.
    #[schema(max_length = 1000)]
    message: Option<String>,
    /// The id or user name of the user who invites; the mail shows their name. Absent: the tenant's name.
    #[schema(max_length = 200)]
    inviter: Option<String>,
    /// The language of the mail: `en` or `de`; absent: the tenant's language.
    locale: Option<String>,
    /// When the invitation expires: 1 hour to 90 days from now. Absent: the configured lifetime.
    expires_at: Option<DateTime<Utc>>,
}

/// What is wrong with whom to invite, and what to say; the same for one and for many.
pub(crate) fn problem_of(
    email: &str,
    message: Option<&str>,
    locale: Option<&str>,
) -> Option<(&'static str, &'static str)> {
    if !identity_core::is_email(email) {
        return Some(("/email", "must be an e-mail address"));
    }
    if message.is_some_and(|text| text.chars().count() > 1000) {
        return Some(("/message", "at most 1000 characters"));
    }
    if locale.is_some_and(|tag| !mail::speaks(tag)) {
        return Some(("/locale", "must be a supported language"));
    }
    None
}

impl Input for InvitationInput {
    fn check(&self, errors: &mut FieldErrors) {
        let found = problem_of(&self.email, self.message.as_deref(), self.locale.as_deref());
        if let Some((pointer, detail)) = found {
            errors.add(pointer, detail);
        }
        if let Some(inviter) = &self.inviter {
            errors.text("/inviter", inviter, 200);
        }
    }
}

/// An invitation, without its token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The invitation's id.
    pub id: Uuid,
    /// The organization to which the person is invited.
    pub organization_id: Uuid,
    /// `personal`: somebody invited the person. `join` or `request`: the person asked to join, under the join rule of their domain.
    #[schema(value_type = String)]
    pub kind: InvitationKind,
    /// The e-mail address that is invited.
    pub email: String,
    /// The role that the person gets.
    #[schema(value_type = String)]
    pub role: ByName<TenantRole>,
    /// `pending`, `accepted`, `revoked` or `expired`.
    #[schema(value_type = String)]
    pub status: InvitationStatus,
    /// A personal message that the mail shows.
    pub message: Option<String>,
    /// The user who accepted; null until then.
    pub user_id: Option<Uuid>,
    /// When the invitation was created.
    pub created_at: DateTime<Utc>,
    /// When the invitation expires.
    pub expires_at: DateTime<Utc>,
    /// When the invitation was accepted; null if it was not.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When the invitation was revoked; null if it was not.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Invitation {
    fn at(row: Model, now: Timestamp) -> Self {
        let expired = row.status == InvitationStatus::Pending && row.expires_at <= now;
        Self {
            id: row.id,
            organization_id: row.organization_id,
            kind: row.kind,
            email: row.email,
            role: row.role,
            status: if expired { InvitationStatus::Expired } else { row.status },
            message: row.message,
            user_id: row.user_id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            accepted_at: row.accepted_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// The daily number of invitations holds for an organization's own people; the platform answers for itself.
fn is_limited(caller: &TenantCaller) -> bool {
    caller.principal.as_ref().is_none_or(|principal| !principal.role.is_platform())
}

async fn create_invitation(
    caller: TenantCaller,
    Body(input): Body<InvitationInput>,
) -> Result<Created<Invitation>, Problem> {
    let now = caller.now();
    if let Some(at) = input.expires_at
        && !(now + TimeDelta::hours(1)..=now + TimeDelta::days(90)).contains(&at)
    {
        return Err(Problem::invalid("/expiresAt", "must be from an hour to 90 days from now"));
    }
    let row = caller
        .write(async |tx| {
            let tenant = tenancy::active(tx).await?;
            let name = input.organization.as_deref().unwrap_or("default");
            let organization = tenancy::organization_named(tx, name).await?.id;
            rules::require_invitable(tx, &tenant, organization, &input.email).await?;
            if is_limited(&caller) {
                rules::require_allowance(tx, caller.tools(), organization, Behind::Admins).await?;
            }
            rules::require_patience(tx, caller.tools(), &input.email).await?;
            let inviter = inviter::name(tx, &tenant, organization, input.inviter.as_deref()).await?;
            let new = NewInvitation::personal(organization, input.email, input.role.0, inviter);
            let new = NewInvitation {
                message: input.message,
                locale: input.locale,
                expires_at: input.expires_at,
                ..new
            };
            ops::create(tx, caller.tools(), &tenant, new).await
        })
        .await?;
    let location = format!("/api/v1/tenants/{}/invitations/{}", row.tenant_id, row.id);
    Ok(Created(location, Invitation::at(row, now)))
}

/// Which invitations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    status: Option<String>,
    /// The beginning of the address.
    email: Option<String>,
    organization: Option<String>,
    batch: Option<Uuid>,
}

impl Input for InvitationFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
        let known = self.status.as_deref().is_none_or(|status| InvitationStatus::parse(status).is_some());
        errors.require(known, "?status", "must be pending, accepted, revoked or expired");
        let short = self.email.as_ref().is_none_or(|email| email.len() <= 254);
        errors.require(short, "?email", "at most 254 characters");
    }
}

/// Number of invitations by status; the `status` filter does not affect it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct InvitationCounts {
    pending: u64,
    accepted: u64,
    revoked: u64,
    expired: u64,
}

/// A page of invitations, and the number of invitations by status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationList {
    items: Vec<Invitation>,
    next_cursor: Option<String>,
    counts: InvitationCounts,
}

async fn list_invitations(
    caller: TenantCaller,
    Query(filter): Query<InvitationFilter>,
) -> Result<Json<InvitationList>, Problem> {
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor };
    let named = (&filter.status, &filter.email, &filter.organization, filter.batch);
    let position = Position::of(&query, &format!("invitations {} {named:?}", caller.tenant()))?;
    let after = position.after_id()?.unwrap_or_default();
    let read = async |view: &View| {
        let mut scope = Condition::all();
        if let Some(name) = &filter.organization {
            let organization = tenancy::organization_named(view, name).await?;
            scope = scope.add(Column::OrganizationId.eq(organization.id));
        }
        if let Some(email) = &filter.email {
            scope = scope.add(Column::EmailKey.starts_with(directory::fold(email)));
        }
        if let Some(batch) = filter.batch {
            scope = scope.add(Column::BatchId.eq(batch));
        }
        let now = view.now();
        let of = |status: InvitationStatus| {
            let pending = || Column::Status.eq(InvitationStatus::Pending);
            let select = view.select::<Entity>().filter(scope.clone());
            match status {
                InvitationStatus::Pending => select.filter(pending()).filter(Column::ExpiresAt.gt(now)),
                // One that is over is over before somebody marks it.
                InvitationStatus::Expired => {
                    let over = Condition::all().add(pending()).add(Column::ExpiresAt.lte(now));
                    select.filter(Condition::any().add(Column::Status.eq(status)).add(over))
                }
                InvitationStatus::Accepted | InvitationStatus::Revoked => {
                    select.filter(Column::Status.eq(status))
                }
            }
        };
        let counts = InvitationCounts {
            pending: view.count(of(InvitationStatus::Pending)).await?,
            accepted: view.count(of(InvitationStatus::Accepted)).await?,
            revoked: view.count(of(InvitationStatus::Revoked)).await?,
            expired: view.count(of(InvitationStatus::Expired)).await?,
        };
        let select = match filter.status.as_deref().and_then(InvitationStatus::parse) {
            Some(status) => of(status),
            None => view.select::<Entity>().filter(scope),
        };
        let select = select.filter(Column::Id.gt(after)).order_by_asc(Column::Id);
        Ok::<_, Problem>((view.all(select.limit(position.limit + 1)).await?, counts))
    };
    let (rows, counts) = caller.read(read).await?;
    let now = caller.now();
    let page = position.page(rows, |row| row.id.to_string(), |row| Invitation::at(row, now));
    Ok(Json(InvitationList { items: page.items, next_cursor: page.next_cursor, counts }))
}

async fn get_invitation(caller: TenantCaller, ids: Ids) -> Result<Tagged<Invitation>, Problem> {
    let id = ids.id("invitation_id")?;
    let row = caller.read(async |view| ops::get(view, id).await).await?;
    Ok(Tagged(row.version, Invitation::at(row, caller.now())))
}

async fn revoke_invitation(caller: TenantCaller, ids: Ids, seen: IfMatch) -> Result<NoContent, Problem> {
    let id = ids.id("invitation_id")?;
    caller.write(async |tx| ops::revoke(tx, id, &seen).await).await?;
    Ok(NoContent)
}

async fn resend_invitation(caller: TenantCaller, ids: Ids) -> Result<Json<Invitation>, Problem> {
    let id = ids.id("invitation_id")?;
    let work = async |tx: &mut Tx| {
        let tenant = tenancy::active(tx).await?;
        let row = ops::get(tx, id).await?;
        directory::next(&row, InvitationVerb::Resend)?;
        rules::require_invitable(tx, &tenant, row.organization_id, &row.email).await?;
        rules::require_patience(tx, caller.tools(), &row.email).await?;
        ops::resend(tx, caller.tools(), &tenant, id).await
    };
    let row = caller.write(work).await?;
    Ok(Json(Invitation::at(row, caller.now())))
}
