//! What this capability brings to the service.

use platform::retention::Retained;
use web::Capability;

use crate::settings::{Limits, SharedInstances};
use crate::{codes, http, ops};

/// Routes and events.
pub fn capability() -> Capability {
    Capability::new(http::routes)
        .settings::<Limits>()
        .settings::<SharedInstances>()
        .problems(codes::DECLARED)
        .emits(ops::EVENTS)
        .emits(http::EVENTS)
        // What a tenant owned goes, its name stays; a copy that a dry run had is removed with it.
        .retains([
            Retained::forever("tenant"),
            Retained::until_removed("organization"),
            Retained::until_removed("plan"),
            Retained::until_removed("instance"),
        ])
}
