//! How a tenant is kept apart from others, where it runs, what its billing says, and how an instance is.

use crate::closed::closed;

closed! {
    /// How a tenant is kept apart from others; at Azure it is also what a deployment is made of.
    pub enum Isolation {
        /// It shares an instance.
        Shared = "shared",
        /// It has an instance in an environment that others are in as well.
        Namespace = "namespace",
        /// It has an instance in an environment of its own.
        Private = "private",
    }
}

closed! {
    /// Which product keeps a tenant's people's sign-in.
    pub enum IdentityBackend {
        /// We do.
        Builtin = "builtin",
        /// A Keycloak server.
        Keycloak = "keycloak",
        /// A Zitadel instance.
        Zitadel = "zitadel",
    }
}

closed! {
    /// What a tenant has at its identity backend.
    pub enum IdentityKind {
        /// An issuer of its own, with its own keys.
        Realm = "realm",
        /// An organization under an issuer that it shares.
        Org = "org",
    }
}

closed! {
    /// Where instances come from.
    pub enum Driver {
        /// An operator registers them.
        Pool = "pool",
        /// They are made at Azure.
        Azure = "azure",
    }
}

closed! {
    /// Whether an instance is for one.
    pub enum Mode {
        /// Several tenants are on it.
        Shared = "shared",
        /// One tenant is on it.
        Dedicated = "dedicated",
    }
}

closed! {
    /// Whether an instance takes tenants.
    pub enum InstanceStatus {
        /// It takes tenants.
        Active = "active",
        /// Its tenants stay, and it accepts no more.
        Draining = "draining",
        /// It isn't there, and nobody asks how it is.
        Offline = "offline",
    }
}

closed! {
    /// How an instance is.
    pub enum InstanceHealth {
        /// It was never asked.
        Unknown = "unknown",
        /// It answered well.
        Healthy = "healthy",
        /// It answered something else, or nothing.
        Unhealthy = "unhealthy",
    }
}

closed! {
    /// Who cut a tenant off: only they, or an operator, let it in again.
    pub enum SuspendedBy {
        /// An operator.
        Operator = "operator",
        /// What the payment provider said.
        Billing = "billing",
        /// The identity backend.
        Backend = "backend",
    }
}

closed! {
    /// What a tenant may do, by what the payment provider says.
    pub enum BillingState {
        /// Everything.
        Full = "full",
        /// A payment is overdue: no new seats.
        Grace = "grace",
        /// Access is stopped.
        Suspended = "suspended",
    }
}
