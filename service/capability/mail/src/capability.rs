//! What this capability brings to the service.

use web::{Capability, When};

use crate::transport::Transport;
use crate::{codes, jobs, ops};

/// Routes, and the job that sends.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .problems(codes::DECLARED)
        .jobs(|service| Ok(vec![jobs::handler(service, Transport::new(&service.config.smtp)?)]))
        .sweep(When::Housekeeping, "the sweep of mail", async |tx, _| ops::sweep(tx).await)
}
