//! Rows of `scim`.

pub mod assertion;
pub mod dry_run;
pub mod request;
pub mod schema;
pub mod states;
pub mod token;
