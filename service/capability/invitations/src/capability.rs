//! What this capability brings to the service.

use web::{Capability, When};

use crate::settings::Settings;
use crate::{batch, join, ops, sweep};

/// Routes, batches and the answers to strangers.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .emits(ops::EVENTS)
        .emits(join::EVENTS)
        .jobs(|service| Ok(batch::handlers(service)))
        .sweep(When::Housekeeping, "the sweep of batches", async |tx, _| sweep::sweep_batches(tx).await)
        .chore(
            When::Housekeeping,
            "the end of invitations",
            |service| async move { sweep::sweep(&service).await },
        )
}
