//! The exchange: a token of an issuer that was registered, an ID token of a connection's provider, or a gateway's word becomes a session
//! and tokens of ours (RFC 8693).
//!
//! Owns `issuer`. It emits no events of its own: the session's are those of `sessions`. Promises: an identity is (issuer, subject) or
//! (connection, subject), never an e-mail; a token is believed by the key, the audience and the clock of its issuer; a token of ours is
//! for whom its caller may ask; who comes by the exchange is admitted by the same decision as who comes by a page.

mod capability;
pub mod codes;
mod error;
mod http;
mod model;
mod ops;
mod settings;

pub use capability::capability;
pub use error::Error;
pub use http::exchange::subject_hints;
pub use http::session::{TenantMaker, exchange};
pub use model::Audience;
pub use ops::audience::{By, audience, may_introspect};
pub use ops::exchange::{Asked, Exchanged, subject};
pub use ops::jwks::JwksCache;
pub use ops::subject::{ALGORITHMS, Identity, SubjectHints, verify};
pub use settings::{Exchange, GatewayHeaders, Settings};
