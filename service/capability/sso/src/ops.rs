//! What sign-in does.

pub(crate) mod exchange;
pub(crate) mod jwks;
pub(crate) mod subject;
pub(crate) mod tokens;
