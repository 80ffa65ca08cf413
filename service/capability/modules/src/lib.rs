//! The registry of modules: the products behind the service, which sign people in by it, get flags from it and hear of sign-outs.
//!
//! Owns `module`. Emits `module.changed`. A module has two secrets, each shown once: its OAuth client secret, of which a hash is stored,
//! and the one that signs what is sent to it, which is stored sealed. The service sends nothing to a URL that it would not connect to.

mod blank;
mod capability;
mod codes;
mod error;
mod http;
mod ops;
mod store;

pub use blank::blank;
pub use capability::capability;
pub use error::Error;
pub use ops::{ModuleChanged, is_secret_of, webhook_secret};
pub use store::{client, clients_that_hear_logouts, module, modules, record_health};
