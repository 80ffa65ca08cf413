//! Connections of organizations to identity providers, by OpenID Connect and SAML: what an admin says of them, how we speak with the
//! provider, what of its answer is believed, and which domains and which sign-in policy the organization has.
//!
//! Owns `connection`, `connection_key`, `sso_policy` and `domain`. Events: `connection.changed`, `connection.expiring`,
//! `domain.changed`. Promises: a secret goes to the provider for which it was entered and to no other; a connection that is pointed
//! elsewhere has to prove itself anew; under enforcement an organization is never left without a way in; a domain belongs to one
//! tenant, for as long as its DNS record is there; what the policy says counts for what began before it changed. Nothing here begins
//! or ends a session: that is `sign_in`.

mod capability;
pub mod codes;
mod error;
mod http;
mod lookup;
mod ops;
mod refusal;
mod settings;
mod skew;
mod upstream;

pub use capability::capability;
pub use error::Error;
pub use http::of_path;
pub use identity_core::domain_of;
pub use lookup::{by_connection, by_domain};
pub use ops::addresses::post_logout_redirect_uri;
pub use ops::attributes::profile as profile_of_assertion;
pub use ops::claims::{profile as profile_of_claims, yes_or_no};
pub use ops::connections::{
    Connection, ConnectionStatus, Kind, after, client_secret, find, find_optional, is_another,
    of_organization, signed_in, tenant_of, tested,
};
pub use ops::domains::{organization_of as organization_of_domain, owns as owns_domain_of};
pub use ops::expiring::warn;
pub use ops::oidc::{OidcSecrets, Providers, Wishes};
pub use ops::policy::{enabled, is_enforced, still_holds};
pub use ops::test_link::opens_test;
pub use ops::token::{Found, OfToken, of_token};
pub use ops::{jwk, saml};
pub use refusal::{Reason, Refused, ResponsibleParty, is_failure};
pub use settings::{
    AttributeMapping, Binding, OidcSettings, Profile, SamlProvider, SamlSettings, Settings, domain,
};
pub use skew::skew;
pub use upstream::Upstream;
