//! What this capability brings to the service.

use platform::event::Event as _;
use sessions::SessionsEnded;
use web::Capability;

use crate::codes;
use crate::ops::logout;

/// Routes, and logout at modules.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .problems(codes::DECLARED)
        .jobs(|service| Ok(logout::handlers(service)))
        .hears([SessionsEnded::TYPE], |_| Box::new(logout::NotifiesClients))
}
