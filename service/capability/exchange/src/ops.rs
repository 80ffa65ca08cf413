//! The exchange: what happens.

pub(crate) mod audience;
pub(crate) mod exchange;
pub(crate) mod jwks;
pub(crate) mod roles;
pub(crate) mod subject;
