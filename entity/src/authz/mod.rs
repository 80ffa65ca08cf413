//! Rows of `authz`.

pub mod ceremony;
pub mod management_key;
pub mod operator;
pub mod operator_session;
pub mod passkey;
pub mod states;
