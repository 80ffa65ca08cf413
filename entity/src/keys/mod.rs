//! Rows of `keys`.

pub mod management_key;
