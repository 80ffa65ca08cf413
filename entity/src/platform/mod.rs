//! Rows of `platform`.

pub mod audit_event;
pub mod idempotency_record;
pub mod job;
pub mod outbox_event;
pub mod outbox_state;
