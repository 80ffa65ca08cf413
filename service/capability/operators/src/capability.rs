//! What this capability brings to the service.

use web::{Capability, When};

use crate::settings::Settings;
use crate::{ops, sessions};

/// Routes, pages and events.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes).settings::<Settings>().emits(ops::EVENTS).sweep(
        When::Housekeeping,
        "the sweep of operators",
        async |tx, _| sessions::sweep(tx).await,
    )
}
