//! Rows of `quota`.

pub mod usage;
