//! What is done with users and groups.

pub(crate) mod groups;
pub(crate) mod users;
