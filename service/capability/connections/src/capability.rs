//! What this capability brings to the service.

use platform::retention::Retained;
use web::{Capability, When};

use crate::codes;
use crate::ops::{connections, domains, expiring};
use crate::settings::Settings;

/// Routes, and what has to be looked at again.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .problems(codes::DECLARED)
        .emits(connections::EVENTS)
        .emits(domains::EVENTS)
        .emits(expiring::EVENTS)
        .retains([
            Retained::until_removed("connection"),
            Retained::with("connection_key", "connection"),
            Retained::with("sso_policy", "organization"),
            Retained::until_removed("domain"),
        ])
        .chore(When::Housekeeping, "warnings of connections", |service| async move {
            expiring::warn(&service).await
        })
        .chore(When::Housekeeping, "proofs of domains", |service| async move {
            domains::recheck_domains(&service).await
        })
}
