//! Who sends events.

use crate::closed::closed;

closed! {
    /// A product whose events come in.
    pub enum Source {
        /// It tells what is paid for.
        Stripe = "stripe",
        /// It tells of organizations and people of the tenants that it keeps.
        Zitadel = "zitadel",
    }
}
