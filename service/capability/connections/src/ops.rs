//! Connections: what happens.

pub(crate) mod addresses;
pub(crate) mod attributes;
pub(crate) mod claims;
pub(crate) mod connections;
pub(crate) mod domains;
pub(crate) mod expiring;
pub mod jwk;
pub(crate) mod oidc;
pub(crate) mod policy;
mod provider;
pub(crate) mod relying_party;
pub mod saml;
pub(crate) mod test_link;
pub(crate) mod token;
