//! What this capability brings to the service.

use web::{Capability, When};

use crate::sessions;

/// Routes and pages.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .sweep(When::Housekeeping, "the sweep of operators", async |tx, _| sessions::sweep(tx).await)
}
