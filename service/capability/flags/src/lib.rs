//! Feature flags: definitions with plan gates, overrides per tenant, evaluation, and the push to modules.
//!
//! Owns `flag`, `flag_override` and `flag_push`. A push is a reconciler: it sends what a module should have, compares it by
//! digest with what it was told before, and is tried until the module confirms. The version only grows, and stays the
//! same over the attempts of one snapshot. A module is a lane: a dead one delays nobody else. Who asks is answered from memory.

mod cache;
mod capability;
mod codes;
mod error;
mod evaluation;
mod http;
mod jobs;
mod ops;
mod push;
mod refresh;
mod store;

pub use cache::Evaluator;
pub use capability::capability;
pub use error::Error;
pub use jobs::{reconcile, refresh_tenant};
