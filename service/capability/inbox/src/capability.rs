//! What this capability brings to the service.

use web::{Capability, When};

use crate::settings::Settings;
use crate::{billing, ops, reconcile};

/// Routes, the jobs that process events, and the comparison with Zitadel.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .emits(billing::EVENTS)
        .jobs(|service| Ok(vec![ops::handler(service)]))
        .sweep(When::Housekeeping, "the sweep of the inbox", async |tx, _| ops::sweep(tx).await)
        .chore(
            When::AfterAPeriod(|config| config.section::<backends::Settings>().zitadel.reconcile),
            "Zitadel's comparison",
            |service| async move { reconcile::reconcile(&service).await },
        )
}
