//! Management keys: who may call the management and internal APIs.
//!
//! Owns the table `management_key`. A key belongs to the platform or to one tenant, has one role, is shown once and kept as
//! an Argon2id hash with an HMAC beside it. Promise: a revoked key is refused at once by this process and within a second by every other.

mod capability;
mod error;
mod http;
mod ops;
mod store;

pub use capability::capability;
pub use error::Error;
pub use http::Keys;
pub use ops::{BOOTSTRAP, NewKey, create, ensure_bootstrap, list, protect, remove_of_tenant, revoke};

/// What a management key begins with.
pub const PREFIX: &str = "tnt_key_";
