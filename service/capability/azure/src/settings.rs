//! What an installation sets for Azure.

use std::time::Duration;

use platform::config::{Config, ConfigError, Section, pairs, require_one_of, require_pairs, require_url};
use secrecy::SecretString;
use serde::Deserialize;

/// `[azure]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The subscription; empty: the driver is not available.
    pub subscription_id: String,
    /// `client_secret`, `workload_identity` or `managed_identity`.
    pub credential: String,
    /// The directory (tenant) of the client.
    pub tenant_id: String,
    /// The application, or the user-assigned identity.
    pub client_id: String,
    /// Its secret, for `client_secret`.
    pub client_secret: SecretString,
    /// The file of the federated token, for `workload_identity`.
    pub federated_token_file: String,
    /// Where tokens are had: public Azure, China or US Government.
    pub authority_url: String,
    /// The Resource Manager.
    pub management_url: String,
    /// Where a managed identity's token is had; empty: the machine's metadata service (IMDS).
    pub identity_endpoint: String,
    /// `X-IDENTITY-HEADER` there.
    pub identity_header: SecretString,
    /// Regions in which tenants may be.
    pub regions: Vec<String>,
    /// Begins the names of everything made.
    pub name_prefix: String,
    /// The container image of an instance.
    pub image: String,
    /// `region=resource id` of the managed environments in which namespaces are made.
    pub environments: Vec<String>,
    /// The key vault secret that instances read, as a URL; empty: none.
    pub key_vault_secret_url: String,
    /// The user-assigned identity (resource id) by which they read it.
    pub instance_identity: String,
    /// Time between looks at a long-running operation that doesn't say.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// A deployment that takes longer is cancelled.
    #[serde(with = "humantime_serde")]
    pub deployment_timeout: Duration,
}

impl Settings {
    /// The managed environment of a region.
    pub fn environment_of(&self, region: &str) -> Option<&str> {
        pairs(&self.environments).find(|(known, _)| *known == region).map(|(_, id)| id)
    }
}

impl Section for Settings {
    const NAME: &'static str = "azure";

    fn check(&self, _config: &Config) -> Result<(), ConfigError> {
        require_url("azure.authority_url", &self.authority_url)?;
        require_url("azure.management_url", &self.management_url)?;
        require_url("azure.identity_endpoint", &self.identity_endpoint)?;
        let credentials = ["client_secret", "workload_identity", "managed_identity"];
        require_one_of("azure.credential", &self.credential, &credentials)?;
        require_pairs("azure.environments", &self.environments)
    }
}
