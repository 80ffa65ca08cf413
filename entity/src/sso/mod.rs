//! Rows of `sso`.

pub mod issuer;
