//! What other products tell: Stripe about payments, Zitadel about its organizations and people.
//!
//! Owns `inbox_event` and `subscription`. The mirror of the outbox: an event is verified by its raw bytes, kept once by its id, and
//! answered; what it means is done by a durable job. Stripe's events come in any order: what a subscription is now is decided by
//! when Stripe made them, not by when they came. Zitadel sends each event once at most: a reconciler compares by the clock.
//!
//! Events: `billing.updated`, `billing.price_unknown`; through `tenancy` `tenant.suspended`, `tenant.resumed`, `tenant.updated`.

mod billing;
mod capability;
mod codes;
mod error;
mod http;
mod ops;
mod processed;
mod reconcile;
mod settings;
mod signature;
mod store;
mod stripe;
mod subscription;
mod zitadel;

pub use capability::capability;
pub use error::Error;
pub use settings::Settings;
