//! Sign-in: what happens.

pub(crate) mod account_linking;
pub(crate) mod authorize;
pub(crate) mod codes;
pub(crate) mod discovery;
pub(crate) mod links;
pub(crate) mod once;
pub(crate) mod outcome;
pub(crate) mod parameters;
pub(crate) mod pending_requests;
pub(crate) mod proof;
pub(crate) mod sign_in;
pub(crate) mod status;
