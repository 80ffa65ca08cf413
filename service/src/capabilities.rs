//! The list of all capabilities: what isn't here is not part of the service.

use std::rc::Rc;

use platform::config::Declaration;
use platform::event::{Catalogue, Event as _};
use platform::jobs::Handler;
use platform::outbox::Subscription;
use web::{Capability, Routes, Service};

use crate::security_events::SignedEvents;

/// All capabilities.
pub(crate) fn all() -> Vec<Capability> {
    vec![
        Capability::new(crate::operations::routes),
        audit::capability(),
        keys::capability(),
        backends::capability(),
        directory::capability(),
        flags::capability(),
        inbox::capability(),
        invitations::capability(),
        mail::capability(),
        operators::capability(),
        provisioning::capability(),
        quota::capability(),
        scim::capability(),
        sessions::capability(),
        connections::capability(),
        sign_in::capability(),
        exchange::capability(),
        oidc_provider::capability(),
        tenancy::capability(),
        webhooks::capability(|| Rc::new(SignedEvents::default()), tenancy::TenantResumed::TYPE),
        modules::capability(),
    ]
}

/// All routes of the service: what isn't here isn't served, and what is here is documented and guarded.
pub fn routes() -> Routes {
    all().into_iter().fold(Routes::new(), |routes, one| routes.and(one.routes()))
}

/// All types of events that the service emits.
pub fn event_types() -> Catalogue {
    all().iter().flat_map(|one| one.event_types()).collect()
}

/// The sections of the settings that capabilities read.
pub(crate) fn sections() -> Vec<Declaration> {
    all().iter().flat_map(|one| one.sections()).collect()
}

/// The handlers of all jobs.
pub(crate) fn handlers(service: &Service) -> anyhow::Result<Vec<Handler>> {
    let all = all();
    let all = all.iter().map(|one| one.handlers(service).map_err(|wrong| anyhow::anyhow!(wrong)));
    Ok(all.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Who hears which events.
pub(crate) fn subscriptions(service: &Service) -> Vec<Subscription> {
    all().iter().flat_map(|one| one.subscriptions(service).collect::<Vec<_>>()).collect()
}
