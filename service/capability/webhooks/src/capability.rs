//! What this capability brings to the service.

use std::rc::Rc;

use web::{Capability, Finding, Service, When};

use crate::deliver::{self, SecurityEvents};
use crate::jobs::{self, Fanout};
use crate::ops;
use crate::sink::{self, SinkHears};

/// Routes, deliveries, and who hears of events; security events are signed by whoever has the keys.
pub fn capability(signer: impl Fn() -> Rc<dyn SecurityEvents> + 'static) -> Capability {
    Capability::new(crate::http::routes)
        .jobs(move |service| {
            Ok(vec![deliver::handler(service, signer()), jobs::replays(service), sink::handler(service)])
        })
        .hears(|service| Box::new(SinkHears::new(service)))
        .hears(|_| Box::new(Fanout))
        .sweep(When::Housekeeping, "the sweep of deliveries", async |tx, _| ops::sweep(tx).await)
        .checks(check)
}

async fn check(service: Service) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(asked) = sink::ping(&service).await {
        let asked = asked.map(|()| "JetStream answers".to_owned());
        found.push(Finding::of("nats", asked.map_err(|error| format!("{error}: check nats.url"))));
    }
    found
}
