//! What a subscription's status does.

use crate::closed::closed;

closed! {
    /// What a subscription's status does to its tenant, the kindest first.
    pub enum Effect {
        /// The plan that is paid for.
        Full = "full",
        /// The same, with a warning.
        Grace = "grace",
        /// Nobody signs in until it is paid.
        Suspend = "suspend",
        /// The plan `free`.
        Free = "free",
    }
}
