//! What this capability brings to the service.

use platform::retention::Retained;
use web::Capability;

use crate::codes;
use crate::settings::Settings;

/// Routes.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .problems(codes::DECLARED)
        .retains([Retained::until_removed("issuer")])
}
