//! Modules and webhook endpoints, and the signed requests that they get.
//!
//! Owns `module`, `webhook_endpoint` and `webhook_delivery`. Events out of the outbox become one delivery and one job for
//! each endpoint that wants them; an endpoint is a lane, so a dead one delays nobody else. Bodies are signed after
//! Standard Webhooks; `webhook-id` stays the same over all attempts, so that a receiver that honours it sees each event
//! once.

mod http;
mod jobs;
mod ops;
mod signature;

pub use http::routes;
pub use jobs::{Fanout, SecurityEvents, handler, post};
pub use ops::{authenticate_client, client, module, modules, takes_security_events, webhook_secret};
pub use signature::sign;
