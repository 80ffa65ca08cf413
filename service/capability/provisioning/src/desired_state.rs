//! What a backend has follows what we believe: differences are found by the clock, told, and mended where a tenant was suspended or
//! renamed, or an operator asks.

use std::time::Duration;

use entity::platform::outbox_event;
use entity::tenancy::states::{IdentityBackend, SuspendedBy};
use entity::tenancy::tenant;
use futures_util::future::LocalBoxFuture;
use platform::http::Outside;
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, Target, Tx, Work as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{Status, TenantDrifted};
use uuid::Uuid;
use web::{PlatformService, Service, TenantService};

use crate::error::Error;

fn is_suspended_by_backend(tenant: &tenant::Model) -> bool {
    tenant.suspended_by == Some(SuspendedBy::Backend)
}

/// What a tenant's realm or org should be.
pub fn desired_state(tenant: &tenant::Model) -> backends::DesiredState {
    backends::DesiredState {
        tenant: tenant.id,
        slug: tenant.slug.clone(),
        name: tenant.name.clone(),
        kind: tenant.identity_kind,
        external_id: tenant.identity_external_id.clone(),
        owner: tenant.owner_email.clone().map(|email| (email, tenant.owner_name.clone())),
        is_begun: tenant.status == Status::Provisioning,
        // What the backend suspended itself is not ours to suspend: it could never let in again whom we keep out because of it.
        enabled: match tenant.status {
            Status::Suspended => is_suspended_by_backend(tenant),
            Status::Deprovisioning => false,
            Status::Provisioning | Status::Active | Status::Deleted | Status::Failed => true,
        },
    }
}

/// Compares one tenant's realm or org with what it should be.
pub(crate) async fn compare(
    service: &PlatformService,
    outside: &Outside,
    tenant: &tenant::Model,
) -> Result<Vec<backends::Difference>, Error> {
    let backend = backends::backend(service, tenant.identity_backend)?;
    let compared = backend.compare(outside, &desired_state(tenant)).await;
    compared.map_err(Error::Unreachable)
}

/// Makes a backend follow a tenant's name and status.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reconcile {
    tenant: Uuid,
}

impl Job for Reconcile {
    const KIND: &'static str = "identity.reconcile";
    const CLASS: Class = Class::Provisioning;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.tenant.to_string())
    }

    fn lane(&self) -> Option<String> {
        Some(crate::advance::lane(self.tenant))
    }

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Runs the jobs that make backends follow.
pub(crate) fn handler(service: &Service) -> Handler {
    let service = service.clone();
    let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(600) };
    Handler::new(backoff, move |job: Reconcile, _| {
        let service = service.clone();
        async move {
            let find = async |view: &platform::View| tenancy::find(view).await;
            let found = service.db.read(job.tenant, find).await?;
            let Some(tenant) = found else { return Ok(()) };
            // What is being removed must not be made again.
            let recycles = tenant.recycle_until.is_some_and(|until| until > service.clock.now());
            let follows = matches!(tenant.status, Status::Active | Status::Suspended) || recycles;
            if !follows || (tenant.status == Status::Suspended && is_suspended_by_backend(&tenant)) {
                return Ok(());
            }
            let backend = backends::backend(&service, tenant.identity_backend).map_err(JobError::retry)?;
            match backend.ensure(&service.outside(), &desired_state(&tenant)).await {
                Ok(_) => Ok(()),
                Err(failure) if failure.permanent => Err(JobError::Fail(failure.reason)),
                Err(failure) => Err(JobError::Retry { reason: failure.reason, after: failure.after }),
            }
        }
    })
}

/// Leaves the jobs when a tenant of a backend outside is suspended, resumed, restored or renamed.
#[derive(Debug)]
pub(crate) struct BackendFollows;

impl Subscriber for BackendFollows {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [&'a outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        Box::pin(async move {
            let tenants: Vec<Uuid> = events.iter().filter_map(|event| event.tenant_id).collect();
            let mut rows = tenancy::of_ids(tx, &tenants).await?;
            rows.retain(|row| row.identity_backend != IdentityBackend::Builtin);
            for row in rows {
                tx.enqueue(&Reconcile { tenant: row.id });
            }
            Ok(())
        })
    }
}

/// Compares all tenants of backends outside, and tells what differs.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn check_drift(service: &Service) -> Result<(), Error> {
    let outside = [IdentityBackend::Keycloak, IdentityBackend::Zitadel];
    let work = async |tenant: &tenant::Model| {
        match compare(service, &service.outside(), tenant).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => report_drift(&service.of(tenant.id), tenant, &found).await?,
            Err(error) => {
                tracing::warn!(tenant = %tenant.id, %error, "the identity backend could not be compared")
            }
        }
        Ok(())
    };
    tenancy::each(&service.db, &outside, work).await
}

async fn report_drift(
    service: &TenantService,
    tenant: &tenant::Model,
    found: &[backends::Difference],
) -> Result<(), Error> {
    tracing::warn!(tenant = %tenant.id, ?found, "a realm or org has drifted");
    metrics::counter!("tenantry_identity_drift_total", "backend" => tenant.identity_backend.as_str())
        .increment(1);
    let work = async |tx: &mut Tx| {
        tx.record("tenant.drift", Target::new("tenant", tenant.id).with(json!({"differences": found})));
        tenancy::record_event::<TenantDrifted>(tx, tenant, "tenant.drift");
        Ok(())
    };
    service.db.write(&Ctx::system("drift"), work).await
}
