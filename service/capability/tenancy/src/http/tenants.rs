//! `/api/v1/tenants`: reading, renaming, suspending. Making and unmaking is `provisioning`'s.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::tenancy::states::{
    BillingState, Driver, IdentityBackend, IdentityKind, Isolation, Mode, SuspendedBy,
};
use entity::tenancy::tenant::{Column, Entity, Model};
use policy_core::{Permission, allows};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, FieldErrors, IfMatch, Input, ListQuery, Page, PlatformCaller, Position, Problem,
    Query, Routes, Tagged, TenantCaller,
};

use crate::error::Error;
use crate::model::Status;
use crate::ops;

const ONE: &str = "/api/v1/tenants/{tenant}";
const MANAGE: Access = Access::Key(Permission::TenantsManage);

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::GET,
            "/api/v1/tenants",
            Access::Key(Permission::TenantsList),
            "list_tenants: List tenants.",
            list_tenants,
        )
        .add(Method::GET, ONE, Access::Key(Permission::TenantRead), "get_tenant: Get a tenant.", get_tenant)
        .add(
            Method::PATCH,
            ONE,
            Access::Key(Permission::TenantUpdate),
            "update_tenant: Change a tenant's name or plan.",
            update_tenant,
        )
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/suspend",
            MANAGE,
            "suspend_tenant: Suspend a tenant.",
            suspend_tenant,
        )
}

/// A tenant: a customer of the platform.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// The tenant's id.
    pub id: Uuid,
    /// The tenant's name in URLs.
    pub slug: String,
    /// The tenant's display name.
    pub name: String,
    /// The key of the tenant's plan.
    pub plan: String,
    /// `shared`, `namespace` or `private`.
    #[schema(value_type = String)]
    pub isolation: Isolation,
    /// The region where the tenant runs.
    pub region: Option<String>,
    /// `provisioning`, `active`, `suspended`, `deprovisioning`, `deleted` or `failed`.
    #[schema(value_type = String)]
    pub status: Status,
    /// The tenant's realm or org at its identity backend.
    pub identity: Identity,
    /// The instance where the tenant runs.
    pub instance: Placement,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When the tenant was suspended; null: it is not.
    pub suspended_at: Option<DateTime<Utc>>,
    /// Who suspended the tenant: `operator`, `billing` or `backend`.
    #[schema(value_type = Option<String>)]
    pub suspended_by: Option<SuspendedBy>,
    /// Until when `/resume` can cancel the tenant's deletion; null: no deletion is pending.
    pub recycle_until: Option<DateTime<Utc>>,
    /// `full`, `grace` (no new seats) or `suspended`, depending on the payment provider.
    #[schema(value_type = String)]
    pub billing: BillingState,
}

/// A tenant's realm or org at an identity backend.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `builtin`, `keycloak` or `zitadel`.
    #[schema(value_type = String)]
    pub backend: IdentityBackend,
    /// `realm` or `org`.
    #[schema(value_type = String)]
    pub kind: IdentityKind,
    /// The tenant's id at the backend.
    pub external_id: Option<String>,
    /// The issuer of the tenant's realm, taken from its metadata.
    pub issuer: Option<String>,
    /// The alias of the tenant's identity provider in a shared realm.
    pub idp_alias: Option<String>,
}

/// The instance where a tenant runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// `pool` or `azure`.
    #[schema(value_type = String)]
    pub driver: Driver,
    /// `shared` or `dedicated`.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// The instance's id; null until the tenant is placed.
    pub id: Option<Uuid>,
}

impl From<Model> for Tenant {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            plan: row.plan,
            isolation: row.isolation,
            region: row.region,
            status: row.status,
            identity: Identity {
                backend: row.identity_backend,
                kind: row.identity_kind,
                external_id: row.identity_external_id,
                issuer: row.identity_issuer,
                idp_alias: row.identity_idp_alias,
            },
            instance: Placement { driver: row.instance_driver, mode: row.instance_mode, id: row.instance_id },
            created_at: row.created_at,
            updated_at: row.updated_at,
            suspended_at: row.suspended_at,
            suspended_by: row.suspended_by,
            recycle_until: row.recycle_until,
            billing: row.billing_state,
        }
    }
}

/// Which tenants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    status: Option<String>,
}

impl Input for TenantFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
        let known = self.status.as_deref().is_none_or(|status| Status::parse(status).is_some());
        errors.require(known, "?status", "there is no such status");
    }
}

/// Changes to a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantChange {
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The key of the new plan. Only operators may change it.
    plan: Option<String>,
}

impl Input for TenantChange {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(name) = &self.name {
            errors.text("/name", name, identity_core::NAME_MAX);
        }
    }
}

async fn list_tenants(
    caller: PlatformCaller,
    Query(filter): Query<TenantFilter>,
) -> Result<Page<Tenant>, Problem> {
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor };
    let position = Position::of(&query, &format!("tenants {:?}", filter.status))?;
    let after = position.after_id()?.unwrap_or_default();
    let rows = caller
        .read(async |view| {
            let mut select =
                view.across::<Entity>().filter(Column::Id.gt(after)).filter(Column::DryRunOf.is_null());
            if let Some(status) = filter.status.as_deref().and_then(Status::parse) {
                select = select.filter(Column::Status.eq(status));
            }
            view.all(select.order_by_asc(Column::Id).limit(position.limit + 1)).await
        })
        .await?;
    Ok(position.page(rows, |row| row.id.to_string(), Tenant::from))
}

async fn get_tenant(caller: TenantCaller) -> Result<Tagged<Tenant>, Problem> {
    let row = caller.read(async |view| ops::get(view).await).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn update_tenant(
    caller: TenantCaller,
    seen: IfMatch,
    Body(change): Body<TenantChange>,
) -> Result<Tagged<Tenant>, Problem> {
    if change.plan.is_some() && !allows(caller.principal()?.role, Permission::TenantsManage) {
        return Err(
            Problem::new(Code::AUTH_INSUFFICIENT).fact("permission", Permission::TenantsManage.name())
        );
    }
    let row = caller
        .write(async |tx| {
            let mut row = ops::locked(tx).await?;
            seen.require(row.version)?;
            if matches!(row.status, Status::Deleted | Status::Deprovisioning) {
                return Err(Error::not_in(row.status).into());
            }
            if let Some(key) = change.plan {
                row = ops::set_plan(tx, row, &key).await?;
            }
            let before = row.clone();
            row.name = change.name.unwrap_or(row.name);
            row.version += 1;
            row.updated_at = tx.now();
            tx.update(row.clone()).await?;
            ops::record_update(tx, &before, &row, "tenant.update");
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Tagged(row.version, row.into()))
}

async fn suspend_tenant(caller: TenantCaller) -> Result<Json<Tenant>, Problem> {
    Ok(Json(caller.write(async |tx| ops::suspend(tx, SuspendedBy::Operator).await).await?.into()))
}
