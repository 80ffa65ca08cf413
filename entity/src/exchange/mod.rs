//! Rows of `exchange`.

pub mod issuer;
pub mod states;
