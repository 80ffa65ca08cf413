//! What this capability brings to the service.

use platform::retention::Retained;
use web::{Capability, When};

use crate::settings::Settings;
use crate::{batch, codes, join, ops, sweep};

/// What removes batches, lines before their batch.
const BATCHES: &str = "the sweep of batches";

/// Routes, batches and the answers to strangers.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .problems(codes::DECLARED)
        .emits(ops::EVENTS)
        .emits(join::EVENTS)
        .jobs(|service| Ok(batch::handlers(service)))
        .retains([
            Retained::with("invitation", "tenant"),
            Retained::until_swept("invitation_batch", BATCHES),
            Retained::until_swept("invitation_batch_row", BATCHES),
            Retained::until_removed("join_rule"),
            Retained::with("join_request", "tenant"),
        ])
        .sweep(When::Housekeeping, BATCHES, async |tx, _| sweep::sweep_batches(tx).await)
        .chore(
            When::Housekeeping,
            "the end of invitations",
            |service| async move { sweep::sweep(&service).await },
        )
}
