//! The SCIM 2.0 server, and the tokens by which identity providers reach it.
//!
//! Owns `scim_token`. The protocol itself is `scim_core`, the rows are `directory`'s; here the two meet. A token names one
//! organization, is shown once and kept as an Argon2id hash; wrong, unknown and foreign tokens are answered alike; a
//! revoked one is refused at once by this process and within a second by every other.

mod auth;
mod filter;
mod http;
mod represent;
mod tokens;

pub use auth::Tokens;
pub use http::routes;

/// What a SCIM token begins with.
pub const PREFIX: &str = "tnt_scim_";
