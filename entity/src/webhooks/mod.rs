//! Rows of `webhooks`.

pub mod attempt;
pub mod delivery;
pub mod endpoint;
pub mod sink;
pub mod states;
