//! What this capability brings to the service.

use platform::event::Event as _;
use sessions::SessionsEnded;
use web::{Capability, When};

use crate::ops::{arrival, connections, domains, logout};
use crate::sweep;

/// Routes, logout at modules, and what ends or has to be looked at again.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .jobs(|service| Ok(logout::handlers(service)))
        .emits(arrival::EVENTS)
        .emits(connections::EVENTS)
        .emits(domains::EVENTS)
        .emits(sweep::EVENTS)
        .hears([SessionsEnded::TYPE], |_| Box::new(logout::NotifiesClients))
        .sweep(When::EachMinute, "the sweep of begun sign-ins", async |tx, _| sweep::sweep_begun(tx).await)
        .sweep(When::Housekeeping, "the sweep of sign-ins", async |tx, service| {
            sweep::sweep(tx, service).await
        })
        .chore(
            When::Housekeeping,
            "warnings of connections",
            |service| async move { sweep::warn(&service).await },
        )
        .chore(When::Housekeeping, "proofs of domains", |service| async move {
            domains::recheck_domains(&service).await
        })
}
