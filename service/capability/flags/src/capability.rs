//! What this capability brings to the service.

use std::time::Duration;

use web::{Capability, When};

use crate::jobs::{FlagsChanged, handlers, reconcile};

/// How often what modules should have is compared with what they have.
const COMPARED: Duration = Duration::from_secs(900);

/// Routes, pushes, and who leaves them when flags change.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .jobs(|service| Ok(handlers(service)))
        .hears(|_| Box::new(FlagsChanged))
        .chore(When::AtOnce(|_| COMPARED), "the flags' reconciliation", |service| async move {
            reconcile(&service).await
        })
}
