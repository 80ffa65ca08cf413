//! Sign-in: what happens.

pub(crate) mod admission;
pub(crate) mod arrival;
pub(crate) mod attributes;
pub(crate) mod authorize;
pub(crate) mod claims;
pub(crate) mod connections;
pub(crate) mod discovery;
pub(crate) mod domains;
pub(crate) mod exchange;
pub(crate) mod jwks;
pub(crate) mod kept;
pub(crate) mod logout;
pub(crate) mod oidc;
pub(crate) mod policy;
pub(crate) mod proof;
pub(crate) mod relying_party;
pub(crate) mod saml;
pub(crate) mod sign_in;
pub(crate) mod subject;
pub(crate) mod tokens;
