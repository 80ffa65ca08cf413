//! `/api/v1/tenants/{tenant}/organizations`

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::tenancy::organization::{Column, Entity, Model};
use platform::rules::{Rule, check_limit};
use platform::{Target, Work as _, ids};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page, Problem, Query,
    Routes, Tagged, TenantCaller,
};

use crate::codes;
use crate::ops;
use crate::settings::Limits;

const LIST: &str = "/api/v1/tenants/{tenant}/organizations";
const ONE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}";
const READ: Access = Access::Key(Permission::OrganizationsRead);
const WRITE: Access = Access::Key(Permission::OrganizationsWrite);

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(Method::POST, LIST, WRITE, "create_organization: Create an organization.", create_organization)
        .add(Method::GET, LIST, READ, "list_organizations: List organizations.", list_organizations)
        .add(Method::GET, ONE, READ, "get_organization: Get an organization.", get_organization)
        .add(Method::PATCH, ONE, WRITE, "update_organization: Rename an organization.", update_organization)
        .add(
            Method::DELETE,
            ONE,
            WRITE,
            "delete_organization: Delete an empty organization.",
            delete_organization,
        )
}

/// An organization to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrganizationInput {
    /// The organization's name in URLs: a DNS label, and not a UUID.
    #[schema(max_length = 63)]
    slug: String,
    /// The organization's display name.
    #[schema(max_length = 200)]
    name: String,
}

/// Changes to an organization.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrganizationChange {
    name: String,
}

impl Input for OrganizationInput {
    fn check(&self, errors: &mut FieldErrors) {
        let fits = web::is_slug(&self.slug) && Uuid::try_parse(&self.slug).is_err();
        errors.require(fits, "/slug", "must be a DNS label and not a UUID");
        errors.text("/name", &self.name, 200);
    }
}

impl Input for OrganizationChange {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/name", &self.name, 200);
    }
}

/// An organization: a part of a tenant with its own users, groups and connections.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// The organization's id.
    pub id: Uuid,
    /// The organization's name in URLs.
    pub slug: String,
    /// The organization's display name.
    pub name: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<Model> for Organization {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

async fn create_organization(
    caller: TenantCaller,
    Body(input): Body<OrganizationInput>,
) -> Result<Created<Organization>, Problem> {
    let row = caller
        .write(async |tx| {
            let tenant = ops::active(tx).await?;
            let limit = tx.by_plan(caller.tools().config.section::<Limits>().organizations).await?;
            check_limit(tx, Rule::Organizations, tenant.id, tx.select::<Entity>(), limit).await?;
            let row = Model {
                tenant_id: tenant.id,
                id: ids::new(),
                slug: input.slug,
                name: input.name,
                version: 1,
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            tx.insert(row.clone()).await.map_err(|error| {
                if error.conflicts_on("slug") {
                    Problem::new(codes::ORGANIZATION_SLUG_TAKEN)
                } else {
                    error.into()
                }
            })?;
            tx.record("organization.create", Target::new("organization", row.id));
            Ok::<_, Problem>(row)
        })
        .await?;
    let location = format!("/api/v1/tenants/{}/organizations/{}", row.tenant_id, row.id);
    Ok(Created(location, row.into()))
}

async fn list_organizations(
    caller: TenantCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Organization>, Problem> {
    caller.page::<Entity, _>(&query, Column::Id, Organization::from).await
}

async fn get_organization(caller: TenantCaller, ids: Ids) -> Result<Tagged<Organization>, Problem> {
    let name = ids.key("organization")?;
    let row = caller.read(async |view| ops::organization_named(view, name).await).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn update_organization(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(change): Body<OrganizationChange>,
) -> Result<Tagged<Organization>, Problem> {
    let name = ids.key("organization")?;
    let row = caller
        .write(async |tx| {
            let row = ops::organization_locked(tx, name).await?;
            seen.require(row.version)?;
            let before = row.clone();
            let row = Model { name: change.name, version: row.version + 1, updated_at: tx.now(), ..row };
            tx.update(row.clone()).await?;
            tx.record("organization.update", Target::new("organization", row.id).changed(&before, &row));
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_organization(caller: TenantCaller, ids: Ids, seen: IfMatch) -> Result<NoContent, Problem> {
    let name = ids.key("organization")?;
    caller
        .write(async |tx| {
            let row = ops::organization_locked(tx, name).await?;
            seen.require(row.version)?;
            if row.slug == "default" {
                return Err(Problem::new(codes::ORGANIZATION_DEFAULT));
            }
            // What still belongs to it holds it by its foreign key.
            let removal = tx.remove::<Entity>().filter(Column::Id.eq(row.id));
            tx.purge(removal).await.map_err(|error| match error {
                platform::DbError::Conflict(_) => Problem::new(codes::ORGANIZATION_NOT_EMPTY),
                other => other.into(),
            })?;
            tx.record("organization.delete", Target::new("organization", row.id));
            Ok(NoContent)
        })
        .await
}
