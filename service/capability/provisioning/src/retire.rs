//! The instance that a tenant had to itself goes once the tenant has moved.

use std::time::Duration;

use entity::tenancy::instance;
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::{Ctx, DbError, PlatformTx, Target, Work as _};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::Service;

use crate::model::Stop;
use crate::{deployments, engine, grow};

/// Removes a deployment, and the instance that it became.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Retire {
    pub(crate) tenant: Uuid,
    pub(crate) deployment: Uuid,
}

impl Job for Retire {
    const KIND: &'static str = "instances.retire";
    const CLASS: Class = Class::Provisioning;
    const ATTEMPTS_MAX: u32 = 2_000;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.deployment.to_string())
    }

    fn lane(&self) -> Option<String> {
        Some(engine::lane(self.tenant))
    }
}

/// Runs them.
pub(crate) fn handler(service: &Service) -> Handler {
    let service = service.clone();
    let base = Duration::from_millis(service.config.jobs.provisioning_retry_base_ms);
    Handler::new(Backoff { base, max: Duration::from_secs(300) }, move |job: Retire, _| {
        let service = service.clone();
        async move { retire(&service, &job).await }
    })
}

async fn retire(service: &Service, job: &Retire) -> Result<(), JobError> {
    if let Some(row) = deployments::of_id(service, job.deployment).await? {
        match deployments::remove(service, &service.outside(), row).await {
            Ok(()) => {}
            Err(Stop::Wait { after, .. }) => return grow::again(service, job, after).await,
            Err(stop) => return Err(grow::retry(stop)),
        }
    }
    let forget = async |tx: &mut PlatformTx| {
        let gone = tx.platform::<instance::Entity>().filter(instance::Column::Id.eq(job.deployment));
        match tx.lock(gone).await? {
            Some(row) if row.tenant_count == 0 => {
                tx.record("instance.delete", Target::new("instance", row.id));
                tx.delete(row).await.map(drop)
            }
            _ => {
                tx.housekeeping();
                Ok::<_, DbError>(())
            }
        }
    };
    Ok(service.db.write_platform(&Ctx::system("retire"), forget).await?)
}
