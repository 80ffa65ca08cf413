//! What this capability brings to the service.

use platform::retention::{Expiry, Retained};
use web::Capability;

use crate::ops;
use crate::settings::Settings;

/// Routes, pages and events.
pub fn capability() -> Capability {
    let over = Expiry::at("expires_at", "id");
    Capability::new(crate::http::routes).settings::<Settings>().emits(ops::EVENTS).retains([
        // They are disabled, never removed: records name them.
        Retained::forever("operator"),
        Retained::until_removed("passkey"),
        Retained::until("operator_session", over),
        Retained::until("ceremony", over),
    ])
}
