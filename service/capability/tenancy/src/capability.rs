//! What this capability brings to the service.

use web::Capability;

use crate::{http, ops};

/// Routes and events.
pub fn capability() -> Capability {
    Capability::new(http::routes).emits(ops::EVENTS).emits(http::EVENTS)
}
