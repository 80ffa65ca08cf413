//! Identity: UUIDv7, so that ids sort by creation and indexes stay dense.

use uuid::Uuid;

/// A new id.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
pub fn new() -> Uuid {
    Uuid::now_v7()
}
