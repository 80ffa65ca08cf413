//! Queries over tokens, their requests, rehearsals, and what uses a schema.

pub(crate) mod rehearsals;
pub(crate) mod requests;
pub(crate) mod schemas;
pub(crate) mod tokens;
