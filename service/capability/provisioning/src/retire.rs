//! What a tenant had to itself goes once the tenant has moved: its instance, its realm or org.

use std::time::Duration;

use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Tx, Work as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::{PlatformService, Service};

use crate::desired_state::desired_state;
use crate::model::StepError;
use crate::settings::Retries;
use crate::steps::Realm;
use crate::{advance, deployments, ops, scale_out, steps};

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
        Some(advance::lane(self.tenant))
    }
}

/// Removes a realm or an org, and the issuer that only it had.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RetireRealm {
    pub(crate) tenant: Uuid,
    pub(crate) realm: Realm,
}

impl Job for RetireRealm {
    const KIND: &'static str = "identity.retire";
    const CLASS: Class = Class::Provisioning;
    const ATTEMPTS_MAX: u32 = 2_000;

    fn lane(&self) -> Option<String> {
        Some(advance::lane(self.tenant))
    }
}

/// Runs them.
pub(crate) fn handlers(service: &Service) -> [Handler; 2] {
    let (instances, realms) = (service.clone(), service.clone());
    let base = Duration::from_millis(service.config.section::<Retries>().provisioning_retry_base_ms);
    let backoff = || Backoff { base, max: Duration::from_secs(300) };
    [
        Handler::new(backoff(), move |job: Retire, _| {
            let service = instances.clone();
            async move { retire(&service, &job).await }
        }),
        Handler::new(backoff(), move |job: RetireRealm, _| {
            let service = realms.clone();
            async move { retire_realm(&service, &job).await }
        }),
    ]
}

async fn retire_realm(service: &Service, job: &RetireRealm) -> Result<(), JobError> {
    let tenant = service.db.read(job.tenant, async |view| tenancy::get(view).await).await;
    let tenant = tenant.map_err(later)?;
    // The tenant came back.
    if job.realm.is(&Realm::of(&tenant)) {
        return Ok(());
    }
    // Where a run is under way, it may be one that goes back there.
    let (run, _) = service.db.read(job.tenant, async |view| ops::latest(view).await).await.map_err(later)?;
    if run.finished_at.is_none() {
        return Err(JobError::Retry { reason: "a run is under way".to_owned(), after: None });
    }
    let backend = backends::backend(service, job.realm.backend).map_err(later)?;
    let desired = desired_state(&job.realm.with(tenant));
    backend
        .remove(&service.outside(), &desired)
        .await
        .map_err(|failure| JobError::Retry { reason: failure.reason, after: failure.after })?;
    let forget = async |tx: &mut Tx| {
        tx.record("tenant.identity_remove", Target::new("tenant", job.tenant));
        match &job.realm.issuer {
            Some(issuer) => steps::forget_issuer(tx, issuer).await,
            None => Ok(()),
        }
    };
    service.db.write(&Ctx::system("retire"), job.tenant, forget).await.map_err(scale_out::retry)
}

/// Whatever is in the way now, it is tried again: otherwise something would stay outside for ever.
fn later(error: impl std::error::Error) -> JobError {
    JobError::retry(platform::chain(&error))
}

async fn retire(service: &PlatformService, job: &Retire) -> Result<(), JobError> {
    let somebody = async |view: &PlatformView| {
        let found = tenancy::find_instance(view, job.deployment).await?;
        Ok::<_, DbError>(found.is_some_and(|row| row.tenant_count > 0))
    };
    if service.db.read(somebody).await? {
        return Err(JobError::Fail("a tenant is on it".to_owned()));
    }
    if let Some(row) = deployments::of_id(service, job.deployment).await? {
        match deployments::remove(service, &service.outside(), row).await {
            Ok(()) => {}
            Err(StepError::Pending { after, .. }) => return scale_out::again(service, job, after).await,
            Err(stop) => return Err(scale_out::retry(stop)),
        }
    }
    let forget = async |tx: &mut PlatformTx| tenancy::remove_instance(tx, job.deployment).await;
    Ok(service.db.write(&Ctx::system("retire"), forget).await?)
}
