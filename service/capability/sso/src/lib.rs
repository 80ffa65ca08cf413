//! Sign-in: identity providers on one side, modules on the other, the organization's policy between them.
//!
//! Owns `issuer`, `connection`, `connection_key`, `sso_policy`, `domain`, `sign_in`, `assertion_use`, `authorization_code` and
//! `authorization_request`. Events: `connection.changed`, `connection.expiring`, `domain.changed`, `sign_in.failed`. Promises: an
//! identity is (connection, subject) or (issuer, subject), never an e-mail; an address finds an account only where the tenant has
//! proven its domain, or the person that they read its mail; an answer is taken once, in the browser that began, by the
//! connection that was asked; nothing of one tenant's provider can name a user of another; what the policy says counts at
//! sign-in, refresh, exchange and introspection alike; every attempt leaves its steps for 30 days.

mod capability;
mod console;
mod error;
mod events;
mod http;
mod model;
mod ops;
mod refusal;
mod settings;
mod sweep;

pub use capability::capability;
pub use console::People;
pub use error::Error;
pub use events::security_event;
pub use identity_core::domain_of;
pub use ops::domains::organization_of as organization_of_domain;
pub use ops::jwks::JwksCache;
pub use ops::policy::is_enforced;
pub use ops::sign_in::{SignIns, TenantMaker};
pub use settings::domain;
pub use sweep::{sweep_begun, warn};
