//! The list of all capabilities: what isn't here is not part of the service.

use std::rc::Rc;

use platform::config::Declaration;
use platform::event::{Catalogue, Event as _};
use platform::jobs::Handler;
use platform::outbox::Subscription;
use platform::retention::Retained;
use web::{Capability, Code, Routes, Service};

use crate::security_events::SignedEvents;

/// All capabilities.
pub(crate) fn all() -> Vec<Capability> {
    vec![
        crate::operations::capability(),
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

/// All codes of problems, by name: the shared ones, and those of the capabilities.
pub fn problem_codes() -> Vec<Code> {
    let owned = all().into_iter().flat_map(|one| one.problem_codes().collect::<Vec<_>>());
    let mut codes: Vec<Code> = Code::DECLARED.iter().copied().chain(owned).collect();
    codes.sort_by_key(|code| code.name());
    codes
}

/// How long the rows of each table stay.
pub fn retained() -> Vec<Retained> {
    all().iter().flat_map(|one| one.retained().cloned().collect::<Vec<_>>()).collect()
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

#[cfg(test)]
mod tests {
    use platform::retention::End;
    use web::Kind;

    use super::*;

    #[test]
    fn what_a_table_says_of_its_sweeps_is_done_by_the_clock() {
        for one in all() {
            let done: Vec<&str> = one.chores().map(|chore| chore.what()).collect();
            let mut named = Vec::new();
            for table in one.retained() {
                for end in table.ends() {
                    match end {
                        End::Sweep(name) => named.push(*name),
                        End::Expiry(_) => named.push(table.table()),
                        End::Removal | End::With(_) => {}
                    }
                }
            }
            let missing: Vec<&&str> = named.iter().filter(|name| !done.contains(*name)).collect();
            assert!(missing.is_empty(), "no capability does {missing:?}");
            let sweeps = one.chores().filter(|chore| chore.kind() == Kind::Sweep);
            let unnamed: Vec<&str> =
                sweeps.map(|chore| chore.what()).filter(|what| !named.contains(what)).collect();
            assert!(unnamed.is_empty(), "no table says that it ends by {unnamed:?}");
        }
    }
}
