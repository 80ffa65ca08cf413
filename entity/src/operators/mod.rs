//! Rows of `operators`.

pub mod ceremony;
pub mod operator;
pub mod operator_session;
pub mod passkey;
pub mod states;
