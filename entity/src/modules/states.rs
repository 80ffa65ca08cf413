//! What modules want the flags that are pushed to them to look like.

use crate::closed::closed;

closed! {
    /// The shape of the flags that a module is told.
    pub enum PushProfile {
        /// Tenant, version and a map of flags.
        Tenantry = "tenantry",
        /// Tenant, version and a list of keys, each on or off. The store calls it by its older name.
        List = "kombify-list",
        /// Tenant (as `sub` too), version and a map of flags. The store calls it by its older name.
        Map = "kombify-map",
    }
}
