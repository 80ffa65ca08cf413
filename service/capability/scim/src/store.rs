//! Queries over tokens, their requests, dry runs, and what uses a schema.

pub(crate) mod dry_runs;
pub(crate) mod requests;
pub(crate) mod schemas;
pub(crate) mod tokens;
