//! What this capability brings to the service.

use std::time::Duration;

use modules::ModuleChanged;
use platform::event::Event as _;
use platform::retention::Retained;
use tenancy::{TenantActivated, TenantRestored, TenantResumed, TenantUpdated};
use web::{Capability, When};

use crate::codes;
use crate::jobs::{FlagsChanged, handlers, reconcile};
use crate::ops::{self, FlagChanged, OverrideChanged};

/// How often what modules should have is compared with what they have.
const COMPARED: Duration = Duration::from_secs(900);

/// Routes, pushes, and who leaves them when flags change.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .problems(codes::DECLARED)
        .jobs(|service| Ok(handlers(service)))
        .emits(ops::EVENTS)
        .retains([
            Retained::until_removed("flag"),
            Retained::until_removed("flag_override"),
            Retained::with("flag_push", "module"),
        ])
        .hears(
            [
                FlagChanged::TYPE,
                OverrideChanged::TYPE,
                ModuleChanged::TYPE,
                TenantActivated::TYPE,
                TenantUpdated::TYPE,
                TenantResumed::TYPE,
                TenantRestored::TYPE,
            ],
            |_| Box::new(FlagsChanged),
        )
        .chore(When::AtOnce(|_| COMPARED), "the flags' reconciliation", |service| async move {
            reconcile(&service).await
        })
}
