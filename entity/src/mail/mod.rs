//! Rows of `mail`.

pub mod branding;
pub mod message;
pub mod states;
pub mod suppression;
