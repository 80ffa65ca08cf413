//! What this capability brings to the service.

use std::rc::Rc;

use platform::event::EventType;
use platform::http::HttpError;
use web::{Capability, Finding, Service, When};

use crate::deliver::{SecurityEvents, handlers};
use crate::jobs::Fanout;
use crate::sink::{self, SinkHears};
use crate::{ops, results};

/// Routes, deliveries, and who hears of events; security events are signed by whoever has the keys. `resumed` is the type of event after
/// which a tenant's deliveries go on.
pub fn capability(signer: fn() -> Rc<dyn SecurityEvents>, resumed: EventType) -> Capability {
    Capability::new(crate::http::routes)
        .jobs(move |service| Ok(handlers(service, signer())))
        .emits(ops::EVENTS)
        .emits(results::EVENTS)
        .hears_all(|service| Box::new(SinkHears::new(service)))
        .hears_all(move |_| Box::new(Fanout { tokens: signer(), resumed }))
        .sweep(When::Housekeeping, "the sweep of deliveries", async |tx, _| ops::sweep(tx).await)
        .checks(check)
}

async fn check(service: Service) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(asked) = sink::ping(&service).await {
        let asked = asked.map(|()| "JetStream answers".to_owned());
        found.push(Finding::of("nats", asked.map_err(|error| format!("{error}: check nats.url"))));
    }
    let modules = service.db.read_platform(async |view| ops::modules(view).await).await;
    for module in modules.unwrap_or_default() {
        let asked = match module.base_url.parse() {
            Ok(url) => service.http.get_text(&url).await.map(drop),
            Err(_) => Err(HttpError::Refused("it is no URL")),
        };
        // Any answer is a sign of life: what stands at the base URL is the module's own affair.
        let alive = match asked {
            Ok(()) | Err(HttpError::Status { .. } | HttpError::Body { .. }) => {
                Ok(format!("{} answers", module.base_url))
            }
            Err(error) => Err(format!("{error}: check the module's baseUrl")),
        };
        found.push(Finding::of(format!("module {}", module.name), alive));
    }
    found
}
