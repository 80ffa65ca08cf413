//! What this capability brings to the service.

use web::Capability;

use crate::{codes, http, ops};

/// Routes and events.
pub fn capability() -> Capability {
    Capability::new(http::routes).problems(codes::DECLARED).emits(ops::EVENTS).emits(http::EVENTS)
}
