//! How an issuer's tokens name their tenant.

use crate::closed::closed;

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
