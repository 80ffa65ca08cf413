//! What this capability brings to the service.

use web::{Capability, When};

use crate::ops::{arrival, links};
use crate::settings::Settings;
use crate::sweep;

/// Routes, the links that strangers ask for, and what ends.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .emits(arrival::EVENTS)
        .jobs(|service| Ok(vec![links::handler(service)]))
        .sweep(When::EachMinute, "the sweep of begun sign-ins", async |tx, _| sweep::sweep_begun(tx).await)
        .sweep(When::Housekeeping, "the sweep of sign-ins", async |tx, service| {
            sweep::sweep(tx, service).await
        })
}
