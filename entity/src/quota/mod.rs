//! Rows of `quota`.

pub mod quota;
