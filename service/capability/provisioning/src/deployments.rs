//! Deployments at Azure, as rows: made once for each purpose, taken on look by look, registered as an instance when they are
//! through, removed.

use azure::{Plan, Progress};
use entity::provisioning::deployment::{self, Column, Entity};
use entity::provisioning::states::{DeploymentStatus, DeploymentVerb};
use entity::tenancy::instance;
use entity::tenancy::states::{InstanceHealth, InstanceStatus, Isolation, Mode};
use platform::http::Outside;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Work as _};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder as _, Select};
use serde_json::{Value, json};
use tenancy::Place;
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::model::StepError;
use crate::ops;
use crate::settings::Instances;

/// Requests to Azure that a deployment keeps: the last ones.
pub(crate) const CALLS_MAX: usize = 60;

fn ctx() -> Ctx {
    Ctx::system("deployment")
}

/// The region of a tenant: its own, or the first one.
pub(crate) fn region(tools: &Tools, tenant: Option<&str>) -> String {
    let first = tools.config.section::<azure::Settings>().regions.first().cloned().unwrap_or_default();
    tenant.map_or(first, ToOwned::to_owned)
}

/// Whose deployment, and where it is to be.
pub(crate) struct Own<'a> {
    pub(crate) tenant: Uuid,
    /// The run of a move, if it is where the tenant moves to.
    pub(crate) moves: Option<Uuid>,
    pub(crate) place: &'a Place,
}

fn plan(tools: &Tools, own: &Own<'_>) -> Plan {
    let sku = match own.place.isolation {
        Isolation::Namespace => Isolation::Namespace,
        // One that shares has no deployment of its own, and would need one that nobody else is on.
        Isolation::Shared | Isolation::Private => Isolation::Private,
    };
    azure::for_tenant(own.tenant, own.moves, sku, &region(tools, own.place.region.as_deref()))
}

/// Deployments that are not gone.
pub(crate) fn live(view: &PlatformView) -> Select<Entity> {
    view.platform::<Entity>().filter(Column::Status.ne(DeploymentStatus::Deleted))
}

/// The tenant's.
async fn all_of(service: &PlatformService, tenant: Uuid) -> Result<Vec<deployment::Model>, DbError> {
    let find = async |view: &PlatformView| {
        let select = live(view).filter(Column::Purpose.starts_with(azure::tenant_purpose(tenant)));
        view.all(select.order_by_asc(Column::Id)).await
    };
    service.db.read(find).await
}

/// The deployment of this purpose, if there is one.
pub(crate) async fn find(
    service: &PlatformService,
    purpose: &str,
) -> Result<Option<deployment::Model>, DbError> {
    let find = async |view: &PlatformView| view.one(live(view).filter(Column::Purpose.eq(purpose))).await;
    service.db.read(find).await
}

/// Whether something of the tenant is at Azure.
pub(crate) async fn is_there(service: &PlatformService, tenant: Uuid) -> Result<bool, DbError> {
    Ok(!all_of(service, tenant).await?.is_empty())
}

/// The deployment of this plan: its row comes before anything is made, so that nothing is made that nobody knows.
pub(crate) async fn ensure(service: &PlatformService, plan: &Plan) -> Result<deployment::Model, StepError> {
    if let Some(row) = find(service, plan.purpose()).await? {
        return Ok(row);
    }
    let work = async |tx: &mut PlatformTx| {
        let row = plan.row(service.config.section::<azure::Settings>(), tx.now());
        tx.insert(row.clone()).await?;
        let details =
            json!({"purpose": row.purpose, "resourceGroup": row.resource_group, "region": row.region});
        tx.record("deployment.create", Target::new("deployment", row.id).with(details));
        Ok::<_, DbError>(row)
    };
    Ok(service.db.write(&ctx(), work).await?)
}

/// The instance of a tenant's own deployment, once it is through.
pub(crate) async fn of_tenant(
    service: &PlatformService,
    outside: &Outside,
    own: &Own<'_>,
) -> Result<Uuid, StepError> {
    let row = ensure(service, &plan(service, own)).await?;
    drive(service, outside, row).await
}

/// Takes back what was made for a move, if anything was.
pub(crate) async fn remove_own(
    service: &PlatformService,
    outside: &Outside,
    own: &Own<'_>,
) -> Result<(), StepError> {
    match find(service, plan(service, own).purpose()).await? {
        Some(row) => remove(service, outside, row).await,
        None => Ok(()),
    }
}

/// The deployment of this id, unless it is gone.
pub(crate) async fn of_id(service: &PlatformService, id: Uuid) -> Result<Option<deployment::Model>, DbError> {
    let find = async |view: &PlatformView| view.one(live(view).filter(Column::Id.eq(id))).await;
    service.db.read(find).await
}

/// Takes a deployment on by one look, and registers its instance when it is through.
pub(crate) async fn drive(
    service: &PlatformService,
    outside: &Outside,
    before: deployment::Model,
) -> Result<Uuid, StepError> {
    if let (Some(id), DeploymentStatus::Succeeded) = (before.instance_id, before.status) {
        return Ok(id);
    }
    let mut row = before.clone();
    let health_path = service.config.section::<Instances>().health_path.as_str();
    let settings = (service.config.section::<azure::Settings>(), health_path);
    let progress = azure::advance(settings, outside, &mut row).await;
    match &progress {
        Ok(Progress::Done) => row.instance_id = Some(row.id),
        Ok(Progress::Failed(why)) => {
            row.go(DeploymentVerb::Fail);
            row.error = Some(why.clone());
        }
        Ok(Progress::Wait(..)) | Err(_) => {}
    }
    platform::crash_point!("azure.looked");
    store(service, outside, &before, row.clone()).await?;
    match progress? {
        Progress::Done => Ok(row.id),
        Progress::Wait(after, why) => Err(StepError::Pending { after, why: format!("Azure: {why}") }),
        Progress::Failed(why) => Err(StepError::Permanent { why }),
    }
}

/// Takes a deployment back by one look.
pub(crate) async fn remove(
    service: &PlatformService,
    outside: &Outside,
    before: deployment::Model,
) -> Result<(), StepError> {
    let mut row = before.clone();
    let progress = azure::remove(service.config.section::<azure::Settings>(), outside, &mut row).await;
    store(service, outside, &before, row).await?;
    match progress? {
        Progress::Done => Ok(()),
        Progress::Wait(after, why) => Err(StepError::Pending { after, why: format!("Azure: {why}") }),
        Progress::Failed(why) => Err(StepError::Transient { after: None, why }),
    }
}

/// Takes the tenant's own deployments back: there are two while it moves.
pub(crate) async fn remove_of_tenant(
    service: &PlatformService,
    outside: &Outside,
    tenant: Uuid,
) -> Result<(), StepError> {
    for row in all_of(service, tenant).await? {
        remove(service, outside, row).await?;
    }
    Ok(())
}

async fn store(
    service: &PlatformService,
    outside: &Outside,
    before: &deployment::Model,
    mut row: deployment::Model,
) -> Result<(), StepError> {
    row.calls = ops::with_calls(row.calls, &outside.calls(), CALLS_MAX);
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        row.version += 1;
        row.updated_at = tx.now();
        if row.status != before.status {
            let details = json!({
                "from": {"status": before.status}, "to": {"status": row.status},
                "error": row.error, "purpose": row.purpose,
            });
            tx.record("deployment.update", Target::new("deployment", row.id).with(details));
        }
        if row.status == DeploymentStatus::Succeeded {
            register(tx, &row, service.config.section::<tenancy::SharedInstances>().capacity).await?;
        }
        if row.status == DeploymentStatus::Deleted {
            row.instance_id = None;
        }
        tx.update(row.clone()).await
    };
    Ok(service.db.write(&ctx(), work).await?)
}

/// The instance that a deployment became; it has the deployment's id.
async fn register(tx: &mut PlatformTx, row: &deployment::Model, shared: u32) -> Result<(), DbError> {
    let endpoint = row.outputs.pointer("/endpoint/value").and_then(Value::as_str);
    let (mode, capacity) = match row.sku {
        Isolation::Shared => (Mode::Shared, i64::from(shared)),
        Isolation::Namespace | Isolation::Private => (Mode::Dedicated, 1),
    };
    let made = instance::Model {
        id: row.id,
        name: row.resource_group.clone(),
        driver: row.driver,
        mode,
        region: Some(row.region.clone()),
        endpoint: endpoint.map(ToOwned::to_owned),
        status: InstanceStatus::Active,
        capacity,
        tenant_count: 0,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
        health: InstanceHealth::Healthy,
        health_checked_at: Some(tx.now()),
        health_error: None,
    };
    tenancy::register_instance(tx, made).await
}
