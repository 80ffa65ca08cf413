//! Rows of `mail`.

pub mod message;
