//! The audit trail: who did what to what, and how it ended.
//!
//! Written by `tx.record()` in the transaction of the work itself, and for refused attempts by the gate; read here. The
//! table `audit_event` is append-only: on Postgres the service's roles have no right to change it.

mod capability;
mod http;

pub use capability::capability;
