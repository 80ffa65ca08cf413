//! What this capability brings to the service.

use web::Capability;

use crate::settings::{Limits, SharedInstances};
use crate::{http, ops};

/// Routes and events.
pub fn capability() -> Capability {
    Capability::new(http::routes)
        .settings::<Limits>()
        .settings::<SharedInstances>()
        .emits(ops::EVENTS)
        .emits(http::EVENTS)
}
