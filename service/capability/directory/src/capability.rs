//! What this capability brings to the service.

use web::Capability;

use crate::codes;
use crate::ops::{groups, guard, restore, users};
use crate::people;

/// Routes and events.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .problems(codes::DECLARED)
        .emits(users::EVENTS)
        .emits(groups::EVENTS)
        .emits(guard::EVENTS)
        .emits(restore::EVENTS)
        .emits(people::INVITATION_EVENTS)
}
