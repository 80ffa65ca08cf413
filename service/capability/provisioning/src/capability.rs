//! What this capability brings to the service.

use platform::event::Event as _;
use platform::jobs::Handler;
use platform::retention::Retained;
use tenancy::{
    InstanceAvailable, TenantDeleted, TenantDeprovisioning, TenantFailed, TenantRestored, TenantResumed,
    TenantSuspended, TenantUpdated,
};
use web::{Capability, Finding, PlatformService, Service, When};

use crate::desired_state::BackendFollows;
use crate::scale_out::{self, CapacityAvailable};
use crate::settings::{Instances, Retries, Settings};
use crate::{codes, desired_state, engine, health, retire};

/// Routes, runs, and what keeps instances and backends as they should be.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .settings::<Retries>()
        .settings::<Instances>()
        .settings::<azure::Settings>()
        .problems(codes::DECLARED)
        .jobs(|service| Ok(handlers(service)))
        .emits(health::EVENTS)
        .emits(scale_out::EVENTS)
        .retains([
            Retained::forever("tenant_run"),
            Retained::with("tenant_run_step", "tenant_run"),
            Retained::forever("deployment"),
        ])
        .hears([InstanceAvailable::TYPE, TenantDeleted::TYPE, TenantFailed::TYPE], |_| {
            Box::new(CapacityAvailable)
        })
        .hears(
            [
                TenantSuspended::TYPE,
                TenantResumed::TYPE,
                TenantDeprovisioning::TYPE,
                TenantRestored::TYPE,
                TenantUpdated::TYPE,
            ],
            |_| Box::new(BackendFollows),
        )
        .chore(
            When::AtOnce(|config| config.section::<Instances>().health_check),
            "health checks",
            |service| async move { health::check(&service).await },
        )
        // Backends need not be compared whenever a process starts.
        .chore(
            When::AfterAPeriod(|config| config.section::<Settings>().drift_check),
            "drift checks",
            |service| async move { desired_state::check_drift(&service).await },
        )
        .checks(check)
}

async fn check(service: PlatformService) -> Vec<Finding> {
    let settings = service.config.section::<azure::Settings>();
    let is = if azure::is_configured(settings) {
        let asked = azure::ping(settings, &service.outside()).await;
        asked
            .map(|()| "the Resource Manager answers our credentials".to_owned())
            .map_err(|error| format!("{error}: check azure"))
    } else {
        Ok("not configured: instances are taken from the pool".to_owned())
    };
    vec![Finding::of("azure", is)]
}

fn handlers(service: &Service) -> Vec<Handler> {
    let mut all =
        vec![engine::handler(service), scale_out::handler(service), desired_state::handler(service)];
    all.extend(retire::handlers(service));
    all
}
