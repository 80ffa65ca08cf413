//! SAML 2.0 web browser SSO and logout, for a service provider. Pure: keys, texts and the time come in, facts or a refusal
//! go out.
//!
//! Signatures and encryption are a library's work, behind the small trait in `security`; what it is shown, and what of its
//! answer is believed, is decided here: one tree, one assertion, a signature over exactly what is read, algorithms from a
//! list, and every condition of the profile. `docs/decisions/0010-saml-on-one-tree.md` says why.

#[cfg(test)]
extern crate self as saml_core;

mod binding;
mod certificate;
mod logout;
mod metadata;
mod refusal;
mod request;
mod response;
mod security;
#[cfg(test)]
mod tests;
mod xml;

pub use binding::{Direction, from_post, from_redirect, post_fields, to_post, to_redirect, verify_redirect};
pub use certificate::Certificate;
pub use logout::{ExpectedLogout, LogoutMessage, accept_logout};
pub use metadata::{CERTIFICATES_MAX, Endpoints, IdentityProvider};
pub use refusal::{Reason, Refusal};
pub use request::{AuthnRequest, Logout, ServiceProvider};
pub use response::{AGE_MAX, Accepted, Expected, accept, claimed_request, is_transient};
pub use security::{Decryptor, Signer, Trust};
