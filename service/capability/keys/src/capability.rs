//! What this capability brings to the service.

use platform::retention::Retained;
use web::Capability;

/// Routes only.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes).retains([Retained::until_removed("management_key")])
}
