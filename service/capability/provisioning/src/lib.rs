//! The durable runs that provision, deprovision, move and repair tenants, and the instances under them.
//!
//! Owns `tenant_run`, `tenant_run_step` and, with `azure`, `deployment`. Promise: whatever dies in between, a tenant ends active
//! or cleanly absent. Each step is idempotent, its effect in the store is committed with its note, and what it does outside is
//! found again by a name that only this tenant has. A step that fails too often rolls back the run, undoing what was begun in
//! reverse; a step that waits (for capacity, for Azure, for the end of a recycle period) waits as long as it takes and says for what.
//!
//! Events: `tenant.created`, `.activated`, `.failed`, `.deleted`, `.moving`, `.moved`, `.move_failed`, `.restored`,
//! `tenant.drifted`, `instance.capacity_low`.

mod advance;
mod capability;
mod codes;
mod deployments;
mod desired_state;
mod engine;
mod error;
mod health;
mod http;
mod model;
mod ops;
mod retire;
mod scale_out;
mod settings;
mod steps;
mod store;

pub use capability::capability;
pub use desired_state::desired_state;
pub use error::Error;
pub use http::{Export, NewTenant, Provisioning, TimelineStep};
pub use model::Kind;
pub use ops::{create, delete, latest, owned_tables, resume, retry, rollback};
pub use settings::{Instances, Retries, Settings};
pub use steps::{RECYCLE, Step, Steps, Table};
