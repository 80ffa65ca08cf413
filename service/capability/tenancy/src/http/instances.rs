//! `/api/v1/instances`

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::tenancy::instance::{Column, Entity, Model};
use entity::tenancy::states::{Driver, InstanceHealth, InstanceStatus, Mode};
use platform::{Target, Work as _, ids};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page,
    PlatformCaller, Problem, Query, Routes, Tagged,
};

use crate::codes;
use crate::settings::SharedInstances;

platform::events! {
    /// An instance accepts tenants now.
    pub struct InstanceAvailable = "instance.available" {
        /// The instance.
        pub instance_id: Uuid,
    }
}

const LIST: &str = "/api/v1/instances";
const ONE: &str = "/api/v1/instances/{instance_id}";
const READ: Access = Access::Key(Permission::CatalogueRead);
const WRITE: Access = Access::Key(Permission::CatalogueWrite);
/// Tenants on a shared instance.
const CAPACITY_MAX: i64 = 100_000;

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(Method::POST, LIST, WRITE, "create_instance: Register an instance.", create_instance)
        .add(Method::GET, LIST, READ, "list_instances: List instances.", list_instances)
        .add(Method::GET, ONE, READ, "get_instance: Get an instance.", get_instance)
        .add(Method::PATCH, ONE, WRITE, "update_instance: Update an instance.", update_instance)
        .add(
            Method::DELETE,
            ONE,
            WRITE,
            "delete_instance: Delete an instance that hosts no tenants.",
            delete_instance,
        )
}

/// An instance to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InstanceInput {
    #[schema(max_length = 100)]
    name: String,
    /// `shared` or `dedicated`.
    #[schema(value_type = String)]
    mode: Mode,
    /// The region where it runs.
    region: Option<String>,
    /// The URL at which it is reached, and where its health is checked; absent: it is not checked.
    endpoint: Option<String>,
    /// How many tenants it can host: 1 if dedicated; up to 100,000 if shared (absent: `instances.capacity` of the configuration).
    capacity: Option<i64>,
}

/// What is said of another capacity.
const CAPACITY_RULE: &str = "must be from 1 to 100,000; for a dedicated instance 1";

fn capacity_max(mode: Mode) -> i64 {
    match mode {
        Mode::Shared => CAPACITY_MAX,
        Mode::Dedicated => 1,
    }
}

impl Input for InstanceInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/name", &self.name, 100);
        let most = capacity_max(self.mode);
        let fits = self.capacity.is_none_or(|capacity| (1..=most).contains(&capacity));
        errors.require(fits, "/capacity", CAPACITY_RULE);
        for (pointer, value) in [("/region", &self.region), ("/endpoint", &self.endpoint)] {
            if let Some(value) = value {
                errors.text(pointer, value, 500);
            }
        }
    }
}

/// Changes to an instance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InstanceChange {
    /// `active`, `draining` or `offline`.
    #[schema(value_type = Option<String>)]
    status: Option<InstanceStatus>,
    endpoint: Option<String>,
    /// How many tenants it can host; at least as many as it hosts now.
    capacity: Option<i64>,
}

impl Input for InstanceChange {
    fn check(&self, errors: &mut FieldErrors) {
        let fits = self.capacity.is_none_or(|capacity| (1..=CAPACITY_MAX).contains(&capacity));
        errors.require(fits, "/capacity", CAPACITY_RULE);
        if let Some(endpoint) = &self.endpoint {
            errors.text("/endpoint", endpoint, 500);
        }
    }
}

/// A running deployment that hosts tenants.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The instance's id.
    pub id: Uuid,
    /// The instance's name.
    pub name: String,
    /// `pool` or `azure`.
    #[schema(value_type = String)]
    pub driver: Driver,
    /// `shared` or `dedicated`.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// The region where it runs.
    pub region: Option<String>,
    /// The URL at which it is reached.
    pub endpoint: Option<String>,
    /// `active`, `draining` or `offline`.
    #[schema(value_type = String)]
    pub status: InstanceStatus,
    /// How many tenants it can host.
    pub capacity: i64,
    /// How many tenants it hosts.
    pub tenant_count: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// `unknown`, `healthy` or `unhealthy`.
    #[schema(value_type = String)]
    pub health: InstanceHealth,
    /// When its health was last checked.
    pub health_checked_at: Option<DateTime<Utc>>,
    /// Why it is unhealthy.
    pub health_error: Option<String>,
}

impl From<Model> for Instance {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            driver: row.driver,
            mode: row.mode,
            region: row.region,
            endpoint: row.endpoint,
            status: row.status,
            capacity: row.capacity,
            tenant_count: row.tenant_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
            health: row.health,
            health_checked_at: row.health_checked_at,
            health_error: row.health_error,
        }
    }
}

async fn create_instance(
    caller: PlatformCaller,
    Body(input): Body<InstanceInput>,
) -> Result<Created<Instance>, Problem> {
    let usual = match input.mode {
        Mode::Shared => i64::from(caller.tools().config.section::<SharedInstances>().capacity),
        Mode::Dedicated => 1,
    };
    let row = caller
        .write(async |tx| {
            let row = Model {
                id: ids::new(),
                name: input.name,
                driver: Driver::Pool,
                mode: input.mode,
                region: input.region,
                endpoint: input.endpoint,
                status: InstanceStatus::Active,
                capacity: input.capacity.unwrap_or(usual),
                tenant_count: 0,
                version: 1,
                created_at: tx.now(),
                updated_at: tx.now(),
                health: InstanceHealth::Unknown,
                health_checked_at: None,
                health_error: None,
            };
            tx.insert(row.clone()).await?;
            tx.record("instance.create", Target::new("instance", row.id));
            tx.emit(&InstanceAvailable { instance_id: row.id });
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Created(format!("{LIST}/{}", row.id), row.into()))
}

async fn list_instances(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Instance>, Problem> {
    caller.page::<Entity, _>(&query, Column::Id, Instance::from).await
}

async fn get_instance(caller: PlatformCaller, ids: Ids) -> Result<Tagged<Instance>, Problem> {
    let id = ids.id("instance_id")?;
    let found =
        caller.read(async |view| view.one(view.platform::<Entity>().filter(Column::Id.eq(id))).await).await?;
    let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(Tagged(row.version, row.into()))
}

async fn update_instance(
    caller: PlatformCaller,
    ids: Ids,
    seen: IfMatch,
    Body(change): Body<InstanceChange>,
) -> Result<Tagged<Instance>, Problem> {
    let id = ids.id("instance_id")?;
    let row = caller
        .write(async |tx| {
            let found = tx.lock(tx.platform::<Entity>().filter(Column::Id.eq(id))).await?;
            let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            seen.require(row.version)?;
            let before = row.clone();
            let capacity = change.capacity.unwrap_or(row.capacity);
            if capacity > capacity_max(row.mode) {
                return Err(Problem::invalid("/capacity", CAPACITY_RULE));
            }
            if capacity < row.tenant_count {
                let detail = "The instance hosts more tenants than that.";
                return Err(
                    Problem::detailed(codes::INSTANCE_IN_USE, detail).fact("tenantCount", row.tenant_count)
                );
            }
            let row = Model {
                capacity,
                status: change.status.unwrap_or(row.status),
                endpoint: change.endpoint.or(row.endpoint),
                version: row.version + 1,
                updated_at: tx.now(),
                ..row
            };
            tx.update(row.clone()).await?;
            tx.record("instance.update", Target::new("instance", id).changed(&before, &row));
            if row.status == InstanceStatus::Active {
                tx.emit(&InstanceAvailable { instance_id: id });
            }
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_instance(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let id = ids.id("instance_id")?;
    caller
        .write(async |tx| {
            let found = tx.lock(tx.platform::<Entity>().filter(Column::Id.eq(id))).await?;
            let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            if row.tenant_count > 0 {
                return Err(Problem::new(codes::INSTANCE_IN_USE).fact("tenantCount", row.tenant_count));
            }
            tx.delete(row).await?;
            tx.record("instance.delete", Target::new("instance", id));
            Ok(NoContent)
        })
        .await
}
