//! Sign-in: what happens.

pub(crate) mod admission;
pub(crate) mod arrival;
pub(crate) mod authorize;
pub(crate) mod codes;
pub(crate) mod discovery;
pub(crate) mod kept;
pub(crate) mod links;
pub(crate) mod once;
pub(crate) mod parameters;
pub(crate) mod proof;
pub(crate) mod sign_in;
pub(crate) mod status;
