//! Sign-in: what happens.

pub(crate) mod admission;
pub(crate) mod arrival;
pub(crate) mod attributes;
pub(crate) mod audience;
pub(crate) mod authorize;
pub(crate) mod claims;
pub(crate) mod connections;
pub(crate) mod discovery;
pub(crate) mod domains;
pub(crate) mod exchange;
pub(crate) mod jwks;
pub(crate) mod kept;
pub(crate) mod links;
pub(crate) mod logout;
pub(crate) mod oidc;
pub(crate) mod parameters;
pub(crate) mod policy;
pub(crate) mod proof;
pub(crate) mod relying_party;
pub(crate) mod roles;
pub(crate) mod saml;
pub(crate) mod sign_in;
pub(crate) mod status;
pub(crate) mod subject;
pub(crate) mod tokens;

/// The difference between clocks that is tolerated.
pub(crate) fn skew(service: &web::Service) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(service.config.sso.clock_skew).unwrap_or(chrono::TimeDelta::seconds(30))
}
