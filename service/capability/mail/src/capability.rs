//! What this capability brings to the service.

use web::{Capability, When};

use crate::settings::{Limits, Settings};
use crate::transport::Transport;
use crate::{jobs, ops};

/// Routes, and the job that sends.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .settings::<Limits>()
        .jobs(|service| {
            Ok(vec![jobs::handler(service, Transport::new(service.config.section::<Settings>())?)])
        })
        .sweep(When::Housekeeping, "the sweep of mail", async |tx, _| ops::sweep(tx).await)
}
