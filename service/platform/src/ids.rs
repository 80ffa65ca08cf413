//! Identity: UUIDv7, so that ids sort by creation and indexes stay dense.

use uuid::Uuid;

/// A new id.
#[allow(clippy::disallowed_methods, reason = "the one place for it")]
pub fn new() -> Uuid {
    Uuid::now_v7()
}
