//! What this capability brings to the service.

use std::rc::Rc;

use platform::event::EventType;
use web::{Capability, Finding, PlatformService, When};

use crate::deliver::{self, SecurityEvents};
use crate::jobs::{self, Fanout};
use crate::sink::{self, SinkSubscriber};
use crate::{ops, results};

/// Routes, deliveries, and who hears of events; security events are signed by whoever has the keys. `resumed` is the type of event after
/// which a tenant's deliveries go on.
pub fn capability(signer: fn() -> Rc<dyn SecurityEvents>, resumed: EventType) -> Capability {
    Capability::new(crate::http::routes)
        .jobs(move |service| {
            let deliveries = deliver::handler(service, signer());
            Ok(vec![deliveries, jobs::replays(service, signer()), sink::handler(service)])
        })
        .emits(results::EVENTS)
        .hears_all(|service| Box::new(SinkSubscriber::new(service)))
        .hears_all(move |_| Box::new(Fanout { tokens: signer(), resumed }))
        .sweep(When::Housekeeping, "the sweep of deliveries", async |tx, _| ops::sweep(tx).await)
        .checks(check)
}

async fn check(service: PlatformService) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(asked) = sink::ping(&service).await {
        let asked = asked.map(|()| "JetStream answers".to_owned());
        found.push(Finding::of("nats", asked.map_err(|error| format!("{error}: check nats.url"))));
    }
    found
}
