//! What is done with users and groups.

pub(crate) mod admins;
pub(crate) mod expected;
pub(crate) mod groups;
pub(crate) mod guard;
pub(crate) mod restore;
pub(crate) mod roles;
pub(crate) mod users;
