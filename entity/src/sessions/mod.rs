//! Rows of `sessions`.

pub mod browser_session;
pub mod refresh_token;
pub mod session;
pub mod signing_key;
pub mod states;
