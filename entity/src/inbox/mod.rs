//! Rows of `inbox`.

pub mod event;
pub mod subscription;
