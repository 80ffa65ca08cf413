//! What this capability brings to the service.

use std::rc::Rc;

use chrono::TimeDelta;
use platform::event::EventType;
use platform::retention::{End, Expiry, Retained};
use web::{Capability, Finding, PlatformService, When};

use crate::deliver::{self, SecurityEvents};
use crate::jobs::{self, Fanout};
use crate::settings::Nats;
use crate::sink::{self, SinkSubscriber};
use crate::{ops, results};

/// Deliveries that are over are kept this long, as long as events.
const DELIVERIES_RETENTION: TimeDelta = TimeDelta::days(30);
/// What ends deliveries that waited at a disabled endpoint for longer than their event is kept.
const WITHOUT_EVENT: &str = "the sweep of deliveries without an event";

/// Routes, deliveries, and who hears of events; security events are signed by whoever has the keys. `resumed` is the type of event after
/// which a tenant's deliveries go on.
pub fn capability(signer: fn() -> Rc<dyn SecurityEvents>, resumed: EventType) -> Capability {
    let over = Expiry::at("created_at", "id").only("status <> 'pending'").plus(DELIVERIES_RETENTION);
    Capability::new(crate::http::routes)
        .settings::<delivery::Settings>()
        .settings::<Nats>()
        .jobs(move |service| {
            let deliveries = deliver::handler(service, signer());
            Ok(vec![deliveries, jobs::replays(service, signer()), sink::handler(service)])
        })
        .emits(results::EVENTS)
        .hears_all(|service| Box::new(SinkSubscriber::new(service)))
        .hears_all(move |_| Box::new(Fanout { tokens: signer(), resumed }))
        .retains([
            Retained::until_removed("webhook_endpoint"),
            Retained::until("webhook_delivery", over).or(End::Sweep(WITHOUT_EVENT)),
            Retained::with("webhook_attempt", "webhook_delivery"),
            Retained::forever("event_sink"),
        ])
        .sweep(When::Housekeeping, WITHOUT_EVENT, async |tx, _| ops::end_without_event(tx).await)
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
