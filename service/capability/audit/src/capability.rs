//! What this capability brings to the service.

use platform::retention::Retained;
use web::Capability;

/// Routes, and a trail that stays.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes).retains([Retained::forever("audit_event")])
}
