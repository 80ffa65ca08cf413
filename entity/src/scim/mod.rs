//! Rows of `scim`.

pub mod token;
