//! Where a reservation stands.

use crate::closed::closed;

closed! {
    /// What became of some of a resource that a module asked for.
    pub enum ReservationStatus {
        /// It counts, and isn't used yet.
        Held = "held",
        /// It became a usage.
        Committed = "committed",
        /// It was given back, as a hold or as the usage that it had become.
        Released = "released",
        /// Nobody used it in time.
        Expired = "expired",
    }
}
