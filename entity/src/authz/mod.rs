//! Rows of `authz`.

pub mod management_key;
