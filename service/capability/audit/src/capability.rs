//! What this capability brings to the service.

use web::Capability;

/// Routes only.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
}
