//! Queries over users and groups.

pub(crate) mod applicants;
pub(crate) mod changes;
mod condition;
pub(crate) mod departed;
pub(crate) mod groups;
pub(crate) mod members;
mod order;
pub(crate) mod reach;
pub(crate) mod roles;
pub(crate) mod search;
pub(crate) mod users;
