//! Sign-in: issuers whose tokens are taken, and the exchange of an identity for the platform's own token.
//!
//! Owns `issuer`. Promises: an identity is (issuer, subject), never an e-mail; a token is taken only with the registered
//! issuer, audience, an asymmetric algorithm and valid times; keys are fetched through the guarded client, cached, and
//! fetched again for an unknown `kid` at most once a minute.

mod http;
mod model;
mod ops;

pub use http::routes;
pub use ops::jwks::JwksCache;
