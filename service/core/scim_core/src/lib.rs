//! SCIM 2.0 (RFC 7643, RFC 7644) without I/O: schemas, filters, PATCH, representation, discovery.
//!
//! | module | gives |
//! |---|---|
//! | [`schema`] | attributes and their characteristics, resource types |
//! | [`filter`] | the filter grammar: parse, print, evaluate |
//! | [`path`] | PATCH paths and attribute names |
//! | [`resource`] | a body checked and put into canonical form; a resource cut to the attributes asked for |
//! | [`patch`] | PATCH on a resource; a group's member changes apart, so that no member need be read |
//! | [`discovery`] | `ServiceProviderConfig`, `ResourceTypes`, `Schemas` |
//!
//! Real clients differ from the norm, and from each other. What is tolerated is decided by one value, [`Profile`].

pub mod discovery;
mod error;
pub mod filter;
pub mod patch;
pub mod path;
pub mod resource;
pub mod schema;

pub use error::{ErrorType, ScimError};

/// How a client is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Tolerates what Okta, Entra and others really send: booleans as strings, unknown attributes and schemas, path-less
    /// PATCH with dotted keys, empty strings that clear, unquoted literals.
    Compat,
    /// As the RFCs say.
    Rfc,
}

impl Profile {
    pub(crate) fn is_compat(self) -> bool {
        self == Profile::Compat
    }
}
