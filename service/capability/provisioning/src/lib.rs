//! Provisioning: the durable run that makes a tenant, and the one that unmakes it.
//!
//! Owns `provisioning_run` and `provisioning_step`. Promise: whatever dies in between, a tenant ends active or cleanly
//! failed, and its timeline shows why. Each step commits together with its own "done" before the next begins; a step that
//! can't be done is retried, and when that is given up everything done is undone in reverse.

mod http;
mod jobs;
mod model;
mod ops;
mod steps;

pub use http::routes;
pub use jobs::handler;
