//! What an installation sets for identity backends.

use std::time::Duration;

use platform::config::{Config, ConfigError, Section, require_url};
use secrecy::SecretString;
use serde::Deserialize;

/// `[identity]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The claim that names the identity provider's alias.
    pub idp_alias_claim: String,
    /// `[identity.keycloak]`
    pub keycloak: Keycloak,
    /// `[identity.zitadel]`
    pub zitadel: Zitadel,
}

/// `[identity.keycloak]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keycloak {
    /// Where it is; empty: nowhere.
    pub url: String,
    /// The realm of the client below.
    pub admin_realm: String,
    /// A client with a service account that may create realms.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The realm of tenants that are organizations.
    pub shared_realm: String,
    /// The client in each realm that modules use; `aud` of the tokens.
    pub audience: String,
    /// Where that client's people are sent back to.
    pub redirect_uris: Vec<String>,
    /// The platform's own identity provider, brokered in each realm; empty: none.
    pub broker_issuer: String,
    /// Our client there.
    pub broker_client_id: String,
    /// Its secret.
    pub broker_client_secret: SecretString,
}

/// `[identity.zitadel]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zitadel {
    /// Where it is; empty: nowhere.
    pub url: String,
    /// A personal access token of a service user that may make organizations.
    pub token: SecretString,
    /// `aud` of the tokens: the project's id.
    pub audience: String,
    /// The signing key of the target that tells us events.
    pub webhook_secret: SecretString,
    /// The next one, while it is rotated.
    pub webhook_secret_next: SecretString,
    /// Time between comparisons: events are never sent twice.
    #[serde(with = "humantime_serde")]
    pub reconcile: Duration,
}

impl Section for Settings {
    const NAME: &'static str = "identity";

    fn check(&self, _config: &Config) -> Result<(), ConfigError> {
        require_url("identity.keycloak.url", &self.keycloak.url)?;
        require_url("identity.keycloak.broker_issuer", &self.keycloak.broker_issuer)?;
        require_url("identity.zitadel.url", &self.zitadel.url)
    }
}
