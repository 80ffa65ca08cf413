//! Rows of `mail`.

pub mod branding;
pub mod message;
pub mod suppression;
