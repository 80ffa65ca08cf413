//! The OpenID provider for modules: tokens for codes and refresh tokens, introspection, user info, metadata, and the end of sessions,
//! whoever asks for it: the browser, a module, or the identity provider.
//!
//! Owns no tables: it redeems the codes of `sign_in` and the sessions of `sessions`. It emits no events of its own; `session.ended` it
//! hears, and notifies the modules. Promises: a code is redeemed once, and a second time ends what its first use began; what the policy
//! says counts at refresh and introspection as it does at sign-in; a logout message of a provider counts once; nobody but the person at
//! the browser, or who holds their ID token, signs them out here.

mod capability;
mod codes;
mod error;
mod events;
mod http;
mod ops;
mod pages;

pub use capability::capability;
pub use error::Error;
pub use events::security_event;
