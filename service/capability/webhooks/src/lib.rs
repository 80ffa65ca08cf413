//! Modules and webhook endpoints, and the signed requests that they get.
//!
//! Owns `module`, `webhook_endpoint`, `webhook_delivery`, `webhook_attempt`, `event_sink`. Events out of the outbox become a delivery for each
//! endpoint that wants them; an endpoint is a queue and a lane, so a dead one delays nobody else. Bodies are CloudEvents, signed after
//! Standard Webhooks; `webhook-id` stays the same over all attempts, so that a receiver that honours it sees each event once. Who would
//! rather pull reads `/api/v1/events` or its stream; with NATS configured, events go to JetStream too.

mod capability;
mod deliver;
mod envelope;
mod error;
mod http;
mod jobs;
mod ops;
mod queue;
mod results;
mod schedule;
mod signature;
mod sink;

pub use capability::capability;
pub use deliver::{SecurityEvents, post};
pub use error::Error;
pub use ops::{
    ModuleChanged, client, is_secret_of, module, modules, sweep, takes_security_events, webhook_secret,
};
pub use queue::{Look, Queue, work_off};
pub use schedule::{Health, Schedule, Verdict, verdict};
pub use signature::{new_secret, sign};
