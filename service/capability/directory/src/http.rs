//! `/api/v1/tenants/{tenant}/users`, `/groups`: reading, and the role of a user.

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::by_name::ByName;
use entity::directory::states::{RoleSource, Source};
use entity::directory::{group, user};
use platform::Tx;
use policy_core::{Permission, TenantRole};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, FieldErrors, Ids, IfMatch, Input, ListQuery, Page, Problem, Query, Routes, Tagged,
    TenantCaller,
};

use crate::ops::users as ops;
use crate::store;

const READ: Access = Access::Key(Permission::DirectoryRead);
const WRITE: Access = Access::Key(Permission::DirectoryWrite);

/// The routes.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Method::GET, "/api/v1/tenants/{tenant}/users", READ, "list_users: List users.", list_users)
        .add(Method::GET, "/api/v1/tenants/{tenant}/users/{user_id}", READ, "get_user: Get a user.", get_user)
        .add(
            Method::PATCH,
            "/api/v1/tenants/{tenant}/users/{user_id}",
            WRITE,
            "update_user: Change a user's role; edit or deactivate one that no provider manages.",
            update_user,
        )
        .add(Method::GET, "/api/v1/tenants/{tenant}/groups", READ, "list_groups: List groups.", list_groups)
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/groups/{group_id}",
            READ,
            "get_group: Get a group.",
            get_group,
        )
}

/// A user of an organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    id: Uuid,
    organization_id: Uuid,
    /// The user name, unique in the organization.
    user_name: String,
    /// The id that the identity provider gave by SCIM; null: none.
    external_id: Option<String>,
    display_name: Option<String>,
    /// The e-mail address; null: none.
    email: Option<String>,
    /// Whether the user may sign in.
    active: bool,
    /// `admin`, `contributor`, `viewer`, `guest` or `service`.
    #[schema(value_type = String)]
    role: ByName<TenantRole>,
    /// Where the role comes from: `local`, or `group` if a group's role mapping gave it.
    #[schema(value_type = String)]
    role_source: RoleSource,
    /// How the user was created: `scim`, `jit` (at the first sign-in) or `invitation`.
    #[schema(value_type = String)]
    source: Source,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<user::Model> for User {
    fn from(row: user::Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            user_name: row.user_name,
            external_id: row.external_id,
            display_name: row.display_name,
            email: row.email,
            active: row.active,
            role: row.role,
            role_source: row.role_source,
            source: row.source,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A group of an organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    id: Uuid,
    organization_id: Uuid,
    display_name: String,
    /// The id that the identity provider gave by SCIM; null: none.
    external_id: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<group::Model> for Group {
    fn from(row: group::Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            display_name: row.display_name,
            external_id: row.external_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Changes to a user. The role can be changed unless a group gives it; everything else only for users that no identity provider
/// manages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserChange {
    /// `admin`, `contributor`, `viewer`, `guest` or `service`.
    #[schema(value_type = Option<String>)]
    role: Option<ByName<TenantRole>>,
    /// Whether the user may sign in. Setting it to false ends the user's sessions.
    active: Option<bool>,
    #[schema(max_length = 200)]
    display_name: Option<String>,
}

impl Input for UserChange {
    fn check(&self, errors: &mut FieldErrors) {
        let any = self.role.is_some() || self.active.is_some() || self.display_name.is_some();
        errors.require(any, "", "must have role, active or displayName");
        if let Some(name) = &self.display_name {
            errors.text("/displayName", name, 200);
        }
    }
}

async fn list_users(caller: TenantCaller, Query(query): Query<ListQuery>) -> Result<Page<User>, Problem> {
    caller.page::<user::Entity, _>(&query, user::Column::Id, User::from).await
}

async fn get_user(caller: TenantCaller, ids: Ids) -> Result<Tagged<User>, Problem> {
    let id = ids.id("user_id")?;
    let found = caller.read(async |view| store::users::user_any_organization(view, id).await).await?;
    let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(Tagged(row.version, row.into()))
}

async fn update_user(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(change): Body<UserChange>,
) -> Result<Tagged<User>, Problem> {
    let id = ids.id("user_id")?;
    let row = caller
        .write(async |tx| {
            let found = tx.lock(tx.select::<user::Entity>().filter(user::Column::Id.eq(id))).await?;
            let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            seen.require(row.version)?;
            apply(tx, row, &change).await
        })
        .await?;
    Ok(Tagged(row.version, row.into()))
}

/// Who comes back has the role already, who goes keeps it until they are gone: so each quota is asked once, in its order.
async fn apply(tx: &mut Tx, row: user::Model, change: &UserChange) -> Result<user::Model, Problem> {
    let goes = change.active == Some(false);
    let mut row = row;
    if let Some(role) = change.role.filter(|_| !goes) {
        row = crate::ops::roles::set_role(tx, row, role.0).await?;
    }
    if change.active.is_some() || change.display_name.is_some() {
        row = ops::edit(tx, row, change.active, change.display_name.clone()).await?;
    }
    match change.role.filter(|_| goes) {
        Some(role) => Ok(crate::ops::roles::set_role(tx, row, role.0).await?),
        None => Ok(row),
    }
}

async fn list_groups(caller: TenantCaller, Query(query): Query<ListQuery>) -> Result<Page<Group>, Problem> {
    caller.page::<group::Entity, _>(&query, group::Column::Id, Group::from).await
}

async fn get_group(caller: TenantCaller, ids: Ids) -> Result<Tagged<Group>, Problem> {
    let id = ids.id("group_id")?;
    let found = caller
        .read(async |view| view.one(view.select::<group::Entity>().filter(group::Column::Id.eq(id))).await)
        .await?;
    let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(Tagged(row.version, row.into()))
}
