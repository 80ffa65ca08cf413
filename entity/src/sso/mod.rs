//! Rows of `sso`.

pub mod assertion_use;
pub mod authorization_code;
pub mod authorization_request;
pub mod connection;
pub mod connection_key;
pub mod domain;
pub mod issuer;
pub mod policy;
pub mod sign_in;
pub mod states;
