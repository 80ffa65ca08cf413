//! Rows of `scim`.

pub mod assertion;
pub mod rehearsal;
pub mod request;
pub mod schema;
pub mod states;
pub mod token;
