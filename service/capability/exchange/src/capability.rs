//! What this capability brings to the service.

use web::Capability;

use crate::settings::Settings;

/// Routes.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes).settings::<Settings>()
}
