//! What this capability brings to the service.

use web::{Capability, When};

use crate::ops::{connections, domains, expiring};
use crate::settings::Settings;

/// Routes, and what has to be looked at again.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .emits(connections::EVENTS)
        .emits(domains::EVENTS)
        .emits(expiring::EVENTS)
        .chore(When::Housekeeping, "warnings of connections", |service| async move {
            expiring::warn(&service).await
        })
        .chore(When::Housekeeping, "proofs of domains", |service| async move {
            domains::recheck_domains(&service).await
        })
}
