//! What this capability brings to the service.

use chrono::TimeDelta;
use platform::retention::{Expiry, Retained};
use web::{Capability, When};

use crate::settings::Settings;
use crate::{billing, codes, ops, reconcile};

/// Events are kept this long: longer than anybody sends them again.
const EVENTS_RETENTION: TimeDelta = TimeDelta::days(30);

/// Routes, the jobs that process events, and the comparison with Zitadel.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .problems(codes::DECLARED)
        .emits(billing::EVENTS)
        .jobs(|service| Ok(vec![ops::handler(service)]))
        .retains([
            Retained::until("inbox_event", Expiry::at("received_at", "source, id").plus(EVENTS_RETENTION)),
            Retained::with("subscription", "tenant"),
        ])
        .chore(
            When::AfterAPeriod(|config| config.section::<backends::Settings>().zitadel.reconcile),
            "Zitadel's comparison",
            |service| async move { reconcile::reconcile(&service).await },
        )
}
