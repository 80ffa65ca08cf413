//! The SCIM 2.0 server, the tokens by which identity providers reach it, and what an admin sees and does beside it: the
//! guard, dry runs, undo, the request log, declared schemas, roles by group.
//!
//! Owns `scim_token`, `scim_schema`, `scim_rehearsal`, `scim_request` and `scim_assertion`. The protocol itself is
//! `scim_core`, the rows are `directory`'s; here the two meet. A token names one organization, is shown once and kept as an
//! Argon2id hash; wrong, unknown and foreign tokens are answered alike; a revoked one is refused at once by this process
//! and within a second by every other.

mod capability;
mod codes;
mod cursor;
mod dry_run;
mod error;
mod events;
mod expiry;
mod guard;
mod http;
mod lifecycle;
mod log;
mod lookup;
mod oauth;
mod represent;
mod resources;
mod schemas;
mod settings;
mod state;
mod store;
mod stream;
mod sweep;
mod tokens;
mod work;

pub use capability::capability;
pub use cursor::Walks;
pub use error::Error;
pub use events::security_event;
pub use expiry::warn;
pub use http::{ScimClients, Tokens};
pub use log::{RequestLog, Writer, request_log};
pub use settings::Limits;
pub use state::States;
pub use store::requests::TooMany;
pub use sweep::{too_many, trim};
pub use tokens::{owns_directory, remove_all};

/// What a SCIM token begins with.
pub const PREFIX: &str = "tnt_scim_";
