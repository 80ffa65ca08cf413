//! Rows of `webhooks`.

pub mod delivery;
pub mod endpoint;
pub mod module;
