//! What a connection speaks; where a connection, a sign-in policy and a domain stand.

use crate::closed::closed;
use crate::lifecycle::lifecycle;

closed! {
    /// What a connection speaks with its provider.
    pub enum ConnectionType {
        /// OpenID Connect.
        Oidc = "oidc",
        /// SAML 2.0.
        Saml = "saml",
    }
}

closed! {
    /// Whether an organization has proven that a domain is its own.
    pub enum DomainState {
        /// It has not, or not any more.
        Pending = "pending",
        /// It has.
        Verified = "verified",
    }
}

lifecycle! {
    "domain",
    /// What can happen to a domain.
    pub enum DomainVerb of DomainState {
        /// The DNS record was found.
        Prove = "prove" { Pending => Verified, Verified => Verified }
        /// The DNS record was not found. A resolver that doesn't answer changes nothing.
        Lapse = "lapse" { Pending => Pending, Verified => Pending }
    }
}

closed! {
    /// Whether people come in by a connection, and whether its provider has answered yet.
    pub enum ConnectionState {
        /// They may, and nobody has yet.
        Unproven = "unproven",
        /// They may, and somebody has: whoever made it speaks for its provider.
        Proven = "proven",
        /// Nobody may; nobody ever has.
        DisabledUnproven = "disabled, unproven",
        /// Nobody may any more.
        DisabledProven = "disabled, proven",
        /// It is gone.
        Deleted = "deleted",
    }
}

impl ConnectionState {
    /// Whether people may come in by it.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        matches!(self, Self::Unproven | Self::Proven)
    }

    /// Whether its provider has answered.
    #[must_use]
    pub const fn is_proven(self) -> bool {
        matches!(self, Self::Proven | Self::DisabledProven)
    }
}

lifecycle! {
    "connection",
    /// What can happen to a connection. While sign-in through it is enforced, the organization's policy can refuse a change.
    pub enum ConnectionVerb of ConnectionState {
        /// Somebody signs in through it.
        SignIn = "sign in" { Unproven => Proven, Proven => Proven }
        /// An admin completes a test sign-in.
        Test = "test" { Unproven => Proven, Proven => Proven }
        /// An ID token of its provider is exchanged; this proves nothing, because the sign-in was not started here.
        Exchange = "exchange" { Unproven => Unproven, Proven => Proven }
        /// An admin enables it.
        Enable = "enable" {
            Unproven => Unproven, Proven => Proven, DisabledUnproven => Unproven, DisabledProven => Proven,
        }
        /// An admin disables it.
        Disable = "disable" {
            Unproven => DisabledUnproven, Proven => DisabledProven, DisabledUnproven => DisabledUnproven,
            DisabledProven => DisabledProven,
        }
        /// An admin changes its issuer, entity id or client id.
        Repoint = "point elsewhere" {
            Unproven => Unproven, Proven => Unproven, DisabledUnproven => DisabledUnproven, DisabledProven => DisabledUnproven,
        }
        /// Its secret, or our key for it, is rotated.
        Rotate = "rotate" {
            Unproven => Unproven, Proven => Proven, DisabledUnproven => DisabledUnproven, DisabledProven => DisabledProven,
        }
        /// An admin removes it.
        Delete = "delete" {
            Unproven => Deleted, Proven => Deleted, DisabledUnproven => Deleted, DisabledProven => Deleted,
        }
    }
}

closed! {
    /// Whether an organization's people come in by its connections only, and whether by one that is named.
    pub enum PolicyState {
        /// People may sign in by any means.
        Open = "open",
        /// The same; the named connection is where they are sent, and the one that speaks for the organization.
        OpenNamed = "open, one named",
        /// They come in by its connections only.
        Enforced = "enforced",
        /// They come in by the named connection only.
        EnforcedNamed = "enforced, one named",
    }
}

lifecycle! {
    "sign-in policy",
    /// What can happen to a sign-in policy, and to the connections that it names.
    pub enum PolicyVerb of PolicyState {
        /// An admin enforces it; there must be an active connection through which people can sign in.
        Enforce = "enforce" {
            Open => Enforced, OpenNamed => EnforcedNamed, Enforced => Enforced, EnforcedNamed => EnforcedNamed,
        }
        /// An admin stops enforcing it.
        Lift = "lift" { Open => Open, OpenNamed => OpenNamed, Enforced => Open, EnforcedNamed => OpenNamed }
        /// An admin names a connection; while the policy is enforced, people must be able to sign in through it.
        Name = "name a connection" {
            Open => OpenNamed, OpenNamed => OpenNamed, Enforced => EnforcedNamed, EnforcedNamed => EnforcedNamed,
        }
        /// An admin removes the named connection from the policy.
        Unname = "name none" { Open => Open, OpenNamed => Open, Enforced => Enforced, EnforcedNamed => Enforced }
        /// The last active connection that the policy allows is disabled, or a connection is named that is not active.
        Close = "close" { Open => Open, OpenNamed => OpenNamed }
        /// One of several connections is deleted; if the policy names one, it is that one.
        Delete = "delete a connection" { Open => Open, Enforced => Enforced }
    }
}
