//! Rows of `inbox`.

pub mod effect;
pub mod event;
pub mod source;
pub mod subscription;
