//! The list of all capabilities: what isn't here is not part of the service.

use std::rc::Rc;

use platform::jobs::Handler;
use platform::outbox::Subscriber;
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
        sso::capability(),
        tenancy::capability(),
        webhooks::capability(|| Rc::new(SignedEvents::default())),
        modules::capability(),
    ]
}

/// All routes of the service: what isn't here isn't served, and what is here is documented and guarded.
pub fn routes() -> Routes {
    all().into_iter().fold(Routes::new(), |routes, one| routes.and(one.routes()))
}

/// The handlers of all jobs.
pub(crate) fn handlers(service: &Service) -> anyhow::Result<Vec<Handler>> {
    let all = all();
    let all = all.iter().map(|one| one.handlers(service).map_err(|wrong| anyhow::anyhow!(wrong)));
    Ok(all.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Who hears events.
pub(crate) fn subscribers(service: &Service) -> Vec<Box<dyn Subscriber>> {
    all().iter().flat_map(|one| one.subscribers(service).collect::<Vec<_>>()).collect()
}
