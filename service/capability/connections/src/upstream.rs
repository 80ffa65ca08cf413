//! What this process knows of identity providers.

use crate::ops::oidc::Providers;
use crate::ops::saml::SamlKeys;

/// Providers' metadata and keys, and our keys for them: one for all connections, shared by whoever speaks with a provider.
#[derive(Debug, Default)]
pub struct Upstream {
    /// OpenID Providers.
    pub providers: Providers,
    /// Keys of SAML providers, and ours.
    pub saml: SamlKeys,
}
