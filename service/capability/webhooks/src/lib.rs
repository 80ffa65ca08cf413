//! Webhook endpoints, and what they get of events.
//!
//! Owns `webhook_endpoint`, `webhook_delivery`, `webhook_attempt`, `event_sink`. Emits `webhook_endpoint.disabled`. Events out of the outbox
//! become a delivery for each endpoint that wants them; an endpoint is a queue and a lane (`delivery`), so a dead one delays nobody else.
//! Bodies are CloudEvents, signed after Standard Webhooks; `webhook-id` stays the same over all attempts, so that a receiver that honours
//! it sees each event once. Who would rather pull reads `/api/v1/events` or its stream; with NATS configured, events go to JetStream too.

mod capability;
mod deliver;
mod envelope;
mod error;
mod http;
mod jobs;
mod ops;
mod results;
mod settings;
mod sink;
mod store;

pub use capability::capability;
pub use deliver::SecurityEvents;
pub use error::Error;
pub use ops::{end_without_event, takes_security_events};
pub use settings::Nats;
