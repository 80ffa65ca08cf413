//! Quotas: limit and usage of each resource of a tenant, exact under concurrency.
//!
//! Owns `quota`, `quota_reservation`, `quota_sample` and `quota_resource`. Usage is taken by one conditional update in the
//! transaction of the work itself, so that it commits or rolls back with it, and two takers of the last unit can't both have it.
//! Modules hold some first and commit or release it later; a hold counts like usage until it expires. A plan's limit below what
//! is used keeps the old and refuses the new.
//!
//! Events: `quota.soft_limit_reached`.

mod capability;
pub mod codes;
mod error;
mod history;
mod http;
mod lookup;
mod ops;
mod reservations;
mod settings;
mod store;
mod usage;

pub use capability::capability;
pub use error::Error;
pub use history::sample;
pub use http::write_headers;
pub use ops::{OWN_RESOURCES, apply_plan, give_back, hold, list, require_free, set, take};
pub use reservations::{commit, release, release_all, reserve, sweep};
pub use settings::Settings;
pub use usage::Usage;
