//! Rows of `flags`.

pub mod flag;
pub mod override_;
pub mod push;
