//! Where an attempt to sign in stands and what it is for; of what type a connection is, and how an issuer's tokens name their tenant.

use crate::closed::closed;
use crate::lifecycle::lifecycle;

closed! {
    /// Where an attempt to sign in stands.
    pub enum SignInStatus {
        /// The browser was sent to the provider.
        Started = "started",
        /// It came back.
        Answered = "answered",
        /// The person must prove that an account is theirs.
        Proving = "proving",
        /// Over: signed in, or tested.
        Succeeded = "succeeded",
        /// Over, with a reason.
        Failed = "failed",
    }
}

impl SignInStatus {
    /// Whether the attempt can still go on or end.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Started | Self::Answered | Self::Proving => true,
            Self::Succeeded | Self::Failed => false,
        }
    }
}

closed! {
    /// What an attempt to sign in is for.
    pub enum Purpose {
        /// Somebody wants to come in.
        SignIn = "sign_in",
        /// An admin tries a connection: what the provider says is shown and forgotten.
        Test = "test",
    }
}

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
    /// How a token of an issuer names its tenant.
    pub enum ResolveBy {
        /// By the organization's id, in a claim.
        Claim = "claim",
        /// The issuer is the tenant's own.
        Issuer = "issuer",
        /// By the alias of the person's identity provider.
        IdpAlias = "idp_alias",
        /// By Keycloak's claim of organizations.
        Organization = "organization",
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
