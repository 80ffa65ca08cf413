//! Rows of `sign_in`.

pub mod assertion_use;
pub mod attempt;
pub mod authorization_code;
pub mod authorization_request;
pub mod states;
