//! Rows of `connections`.

pub mod connection;
pub mod connection_key;
pub mod domain;
pub mod policy;
pub mod states;
