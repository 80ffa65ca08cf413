//! How something is delivered to a receiver outside: in order, signed, again when it failed, and not at all while the receiver is down.
//!
//! Owns no table and emits no event: what waits is a row of the capability that sends it (events in `webhooks`, flags in `flags`), which
//! says by [`Queue`] what is due and notes by a [`Verdict`] what came of it. A receiver that fails whatever it gets is left alone for
//! longer and longer ([`Health`]), so a dead one delays nobody else. Bodies are signed after Standard Webhooks; who sends again uses the
//! same `webhook-id`, so that a receiver that honours it sees each message once.

mod post;
mod queue;
mod schedule;
mod settings;
mod signature;

pub use post::post;
pub use queue::{Queue, QueueState, RUN_MAX, work_off};
pub use schedule::{Health, Schedule, Verdict, verdict};
pub use settings::Settings;
pub use signature::{generate, new_secret, sign, verifier};
