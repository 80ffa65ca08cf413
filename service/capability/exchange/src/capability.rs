//! What this capability brings to the service.

use web::Capability;

/// Routes.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
}
