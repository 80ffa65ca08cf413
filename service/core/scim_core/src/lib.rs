//! SCIM 2.0 (RFC 7643, RFC 7644) without I/O: schemas, filters, PATCH, bulk, representation, discovery.
//!
//! | module | gives |
//! |---|---|
//! | [`schema`] | attributes and their characteristics, resource types, schemas that a tenant declares |
//! | [`document`] | a body read member by member, so that a list of 100,000 members costs no tree of values |
//! | [`filter`] | the filter grammar: parse, print |
//! | [`condition`] | a filter bound to a resource type: every attribute known, every literal of its type; evaluated here, or by a store in its own language |
//! | [`path`] | PATCH paths and attribute names |
//! | [`resource`] | a body checked and put into canonical form; a resource cut to the attributes asked for |
//! | [`patch`] | PATCH on a resource; a group's member changes apart, so that no member need be read |
//! | [`bulk`] | a bulk request: operations in an order in which each finds what it refers to |
//! | [`search`] | what a query asks for, from the URL or from `/.search` |
//! | [`discovery`] | `ServiceProviderConfig`, `ResourceTypes`, `Schemas` |
//!
//! Real clients differ from the norm, and from each other. What is tolerated is decided by one value, [`Profile`]. No
//! function panics, whatever the input; text is bounded by [`filter::LENGTH_MAX`], nesting by [`filter::DEPTH_MAX`] and the
//! JSON reader's own limit, lists by [`patch::OPERATIONS_MAX`] and [`bulk::OPERATIONS_MAX`].
//!
//! ```
//! use scim_core::condition::Condition;
//! use scim_core::document::Document;
//! use scim_core::filter::Filter;
//! use scim_core::schema::USERS;
//! use scim_core::{Profile, patch, resource};
//!
//! # fn main() -> Result<(), scim_core::ScimError> {
//! let body = br#"{"USERNAME": "Ann@Example.com", "active": "True", "emails": [{"value": "ann@x.example", "type": "work"}]}"#;
//! let ann = resource::normalize(&USERS, &Document::parse(body)?, Profile::Compat)?.resource;
//! assert_eq!(ann["userName"], "Ann@Example.com");
//!
//! let filter = Filter::parse(r#"emails[type eq "work"].value ew "X.EXAMPLE" and not (title pr)"#, Profile::Compat)?;
//! assert!(Condition::bind(&USERS, &filter, Profile::Compat)?.holds(&ann));
//!
//! let body = br#"{"Operations": [{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@y.example"}]}"#;
//! let patch = patch::parse(&USERS, &Document::parse(body)?, Profile::Compat)?;
//! let after = patch::apply(&USERS, &ann, &patch.operations, Profile::Compat)?;
//! assert_eq!(after["emails"][0]["value"], "a@y.example");
//! # Ok(())
//! # }
//! ```

mod attribute;
pub mod bulk;
pub mod condition;
pub mod discovery;
pub mod document;
mod error;
pub mod filter;
mod fold;
pub mod patch;
pub mod path;
pub mod resource;
pub mod schema;
pub mod search;

pub use error::{ErrorType, ScimError};
pub use fold::{fold_resource, instant};

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
