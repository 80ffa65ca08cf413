//! Rows of `platform`.

pub mod audit_event;
pub mod idempotency_record;
pub mod job;
pub mod lookup_key;
pub mod outbox_event;
pub mod outbox_state;
pub mod states;
pub mod store_state;
