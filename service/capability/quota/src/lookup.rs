//! Whose a reservation is.

use platform::db::Lookup;
use uuid::Uuid;

/// A reservation by its id.
pub(crate) fn by_reservation(id: Uuid) -> Lookup {
    Lookup::new("quota_reservation", "id", id)
}
