//! Rows of `inbox`.

pub mod event;
pub mod source;
pub mod subscription;
