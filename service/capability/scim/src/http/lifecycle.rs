//! `…/directory-restores`: a directory goes back to a moment; `…/role-mappings`: groups give roles.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use directory::Plan;
use entity::by_name::ByName;
use entity::directory::states::RestoreStatus;
use entity::directory::{restore, role_mapping};
use entity::ids::OrganizationId;
use policy_core::{Permission, TenantRole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Accepted, Access, Body, Created, Ids, Input, NoContent, Page, Problem, Routes, TenantCaller};

use crate::lifecycle;

const RESTORES: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/directory-restores";
const PREVIEW: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/directory-restores/preview";
const MAPPINGS: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/role-mappings";
const MAPPING: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/role-mappings/{mapping_id}";

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::DirectoryRead), Access::Key(Permission::DirectoryWrite));
    Routes::new()
        .add(
            Method::POST,
            RESTORES,
            write,
            "create_directory_restore: Restore the directory to a point in time.",
            create_restore,
        )
        .add(
            Method::POST,
            PREVIEW,
            write,
            "preview_directory_restore: Preview what a directory restore would change.",
            preview_restore,
        )
        .add(Method::GET, RESTORES, read, "list_directory_restores: List directory restores.", list_restores)
        .add(
            Method::POST,
            MAPPINGS,
            write,
            "create_role_mapping: Give a role to the members of a group.",
            create_mapping,
        )
        .add(
            Method::GET,
            MAPPINGS,
            read,
            "list_role_mappings: List the roles that groups give to their members.",
            list_mappings,
        )
        .add(
            Method::DELETE,
            MAPPING,
            write,
            "delete_role_mapping: Stop giving a role to the members of a group.",
            delete_mapping,
        )
}

/// The point in time to restore to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RestoreInput {
    /// A time within the last 30 days.
    moment: DateTime<Utc>,
}

impl Input for RestoreInput {}

/// What a restore would change.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestorePlan {
    /// Number of users that are removed, since they were created later.
    users_removed: usize,
    /// Number of users that are restored.
    users_restored: usize,
    /// Number of groups that are removed, since they were created later.
    groups_removed: usize,
    /// Number of groups that are restored.
    groups_restored: usize,
    /// Number of groups whose members are restored.
    memberships: usize,
}

impl From<Plan> for RestorePlan {
    fn from(plan: Plan) -> Self {
        Self {
            users_removed: plan.users_removed,
            users_restored: plan.users_restored,
            groups_removed: plan.groups_removed,
            groups_restored: plan.groups_restored,
            memberships: plan.memberships,
        }
    }
}

/// A directory restore and its progress.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DirectoryRestore {
    id: Uuid,
    /// The point in time that is restored.
    moment: DateTime<Utc>,
    /// `running`, `done` or `failed`.
    #[schema(value_type = String)]
    status: RestoreStatus,
    /// Number of changes to make.
    changes: i64,
    /// Number of changes made.
    done: i64,
    /// Why the restore failed; null: it did not.
    error: Option<String>,
    created_at: DateTime<Utc>,
    /// When the restore ended; null until then.
    finished_at: Option<DateTime<Utc>>,
}

impl From<restore::Model> for DirectoryRestore {
    fn from(row: restore::Model) -> Self {
        Self {
            id: row.id,
            moment: row.moment,
            status: row.status,
            changes: row.changes,
            done: row.done,
            error: row.error,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

async fn preview_restore(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<RestoreInput>,
) -> Result<Json<RestorePlan>, Problem> {
    let name = ids.key("organization")?;
    let plan = caller
        .read(async |view| {
            let organization = tenancy::organization_named(view, name).await?;
            Ok::<_, Problem>(directory::plan_restore(view, organization.id, input.moment).await?)
        })
        .await?;
    Ok(Json(plan.into()))
}

async fn create_restore(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<RestoreInput>,
) -> Result<Accepted<DirectoryRestore>, Problem> {
    let name = ids.key("organization")?;
    let row = caller
        .write(async |tx| {
            let organization = tenancy::organization_named(tx, name).await?;
            lifecycle::begin(tx, organization.id, input.moment).await
        })
        .await?;
    let location =
        format!("/api/v1/tenants/{}/organizations/{}/directory-restores", row.tenant_id, row.organization_id);
    Ok(Accepted(location, row.into()))
}

async fn list_restores(caller: TenantCaller, ids: Ids) -> Result<Page<DirectoryRestore>, Problem> {
    let name = ids.key("organization")?;
    let rows = caller
        .read(async |view| {
            let organization = tenancy::organization_named(view, name).await?;
            Ok::<_, Problem>(directory::restores(view, organization.id).await?)
        })
        .await?;
    Ok(Page { items: rows.into_iter().map(Into::into).collect(), next_cursor: None })
}

/// A role for a group's members.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RoleMappingInput {
    group_id: Uuid,
    /// `admin`, `contributor`, `viewer`, `guest` or `service`.
    #[schema(value_type = String)]
    role: ByName<TenantRole>,
}

impl Input for RoleMappingInput {}

/// A role that a group gives to its members, including those of nested groups.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleMapping {
    id: Uuid,
    group_id: Uuid,
    #[schema(value_type = String)]
    role: ByName<TenantRole>,
    created_at: DateTime<Utc>,
}

impl From<role_mapping::Model> for RoleMapping {
    fn from(row: role_mapping::Model) -> Self {
        Self { id: row.id, group_id: row.group_id, role: row.role, created_at: row.created_at }
    }
}

async fn create_mapping(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<RoleMappingInput>,
) -> Result<Created<RoleMapping>, Problem> {
    let name = ids.key("organization")?;
    let row = caller
        .write(async |tx| {
            let organization = tenancy::organization_named(tx, name).await?;
            directory::create_role_mapping(tx, OrganizationId(organization.id), input.group_id, input.role.0)
                .await
                .map_err(Problem::from)
        })
        .await?;
    let base = format!("/api/v1/tenants/{}/organizations/{}", row.tenant_id, row.organization_id);
    Ok(Created(format!("{base}/role-mappings/{}", row.id), row.into()))
}

async fn list_mappings(caller: TenantCaller, ids: Ids) -> Result<Page<RoleMapping>, Problem> {
    let name = ids.key("organization")?;
    let rows = caller
        .read(async |view| {
            let organization = tenancy::organization_named(view, name).await?;
            Ok::<_, Problem>(directory::role_mappings(view, organization.id).await?)
        })
        .await?;
    Ok(Page { items: rows.into_iter().map(Into::into).collect(), next_cursor: None })
}

async fn delete_mapping(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("mapping_id")?);
    caller
        .write(async |tx| {
            let organization = tenancy::organization_named(tx, name).await?;
            directory::delete_role_mapping(tx, OrganizationId(organization.id), id).await?;
            Ok::<_, Problem>(NoContent)
        })
        .await
}
