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
        /// The record is there.
        Prove = "prove" { Pending => Verified, Verified => Verified }
        /// The record is not there. A resolver that doesn't answer proves nothing, neither way.
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
    /// What can happen to a connection. Under enforcement its organization's policy has a word in it, too.
    pub enum ConnectionVerb of ConnectionState {
        /// Somebody signs in by it.
        SignIn = "sign in" { Unproven => Proven, Proven => Proven }
        /// An admin walks a sign-in that is a test.
        Test = "test" { Unproven => Proven, Proven => Proven }
        /// An ID token of its provider is exchanged: nothing was begun here, so that proves nothing.
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
        /// It is of another issuer, entity id or client id from now on.
        Repoint = "point elsewhere" {
            Unproven => Unproven, Proven => Unproven, DisabledUnproven => DisabledUnproven, DisabledProven => DisabledUnproven,
        }
        /// Its secret, or our key for it, is changed.
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
        /// They come in by any door.
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
    /// What can happen to a sign-in policy, and to the connections of which it speaks.
    pub enum PolicyVerb of PolicyState {
        /// An admin enforces it; a connection must be there by which people come in.
        Enforce = "enforce" {
            Open => Enforced, OpenNamed => EnforcedNamed, Enforced => Enforced, EnforcedNamed => EnforcedNamed,
        }
        /// An admin enforces it no more.
        Lift = "lift" { Open => Open, OpenNamed => OpenNamed, Enforced => Open, EnforcedNamed => OpenNamed }
        /// An admin names a connection; under enforcement people must come in by that one.
        Name = "name a connection" {
            Open => OpenNamed, OpenNamed => OpenNamed, Enforced => EnforcedNamed, EnforcedNamed => EnforcedNamed,
        }
        /// An admin names none any more.
        Unname = "name none" { Open => Open, OpenNamed => Open, Enforced => Enforced, EnforcedNamed => Enforced }
        /// No active connection is left by which it lets people in: the last one, or the named one, is disabled, or another is named.
        Close = "close" { Open => Open, OpenNamed => OpenNamed }
        /// One of several connections is deleted, the named one where one is named.
        Delete = "delete a connection" { Open => Open, Enforced => Enforced }
    }
}
