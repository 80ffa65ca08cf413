//! Quotas: limit and usage of each resource of a tenant, exact under concurrency.
//!
//! Owns the table `quota`. Usage is taken by one conditional update in the transaction of the work itself, so that it
//! commits or rolls back with it, and two takers of the last unit can't both have it. A limit below what is used keeps
//! the old and refuses the new.

mod http;
mod ops;

pub use http::{routes, write_headers};
pub use ops::{Usage, apply_plan, give_back, list, set, take};
