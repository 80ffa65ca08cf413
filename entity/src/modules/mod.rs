//! Rows of `modules`.

pub mod module;
pub mod states;
