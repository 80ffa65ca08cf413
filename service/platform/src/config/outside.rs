//! Settings of what stands outside: identity backends, Azure, the payment provider.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::Config;

/// `[provisioning]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioning {
    /// How long a deletion can be taken back.
    #[serde(with = "humantime_serde")]
    pub recycle_period: Duration,
    /// Time between looks at what a run waits for.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// Time between comparisons of what backends have with what we believe.
    #[serde(with = "humantime_serde")]
    pub drift_check: Duration,
    /// How long a moving tenant's modules have to come to rest.
    #[serde(with = "humantime_serde")]
    pub drain_period: Duration,
    /// Who copies a moving tenant's data; empty: nobody.
    pub copy_hook_url: String,
    /// Signs what the copy hook is sent.
    pub copy_hook_secret: SecretString,
}

/// `[identity]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
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

/// `[instances]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// Who places a tenant that asks for nobody: `pool` or `azure`; empty: the pool, once it has instances.
    pub driver: String,
    /// How many tenants a shared instance takes that doesn't say otherwise.
    pub capacity: u32,
    /// What happens when shared instances fill up: `tell` or `azure`.
    pub grow: String,
    /// Percent of an instance's capacity from which the next one is made.
    pub grow_at_percent: u32,
    /// The path that is asked for health.
    pub health_path: String,
    /// Time between checks.
    #[serde(with = "humantime_serde")]
    pub health_check: Duration,
}

/// `[azure]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Azure {
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

/// `[quota]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How long a reservation holds.
    #[serde(with = "humantime_serde")]
    pub reservation_lifetime: Duration,
    /// How long daily samples are kept.
    #[serde(with = "humantime_serde")]
    pub history_kept: Duration,
}

/// `[billing]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// The secret of Stripe's endpoint, `whsec_` included.
    pub stripe_secret: SecretString,
    /// The next one, while it is rotated.
    pub stripe_secret_next: SecretString,
    /// Reads subscriptions anew; empty: events' own times decide.
    pub stripe_api_key: SecretString,
    /// Stripe's API.
    pub stripe_url: String,
    /// `price=plan`: a price's lookup key or id, and the plan that it buys.
    pub prices: Vec<String>,
    /// `status=effect`: what a subscription's status does: `full`, `grace`, `suspend` or `free`.
    pub statuses: Vec<String>,
}

impl Billing {
    /// The plan that a price buys.
    pub fn plan_of(&self, price: &str) -> Option<&str> {
        pairs(&self.prices).find(|(known, _)| *known == price).map(|(_, plan)| plan)
    }

    /// What a subscription's status does.
    pub fn effect_of(&self, status: &str) -> Option<&str> {
        pairs(&self.statuses).find(|(known, _)| *known == status).map(|(_, effect)| effect)
    }
}

impl Azure {
    /// The managed environment of a region.
    pub fn environment_of(&self, region: &str) -> Option<&str> {
        pairs(&self.environments).find(|(known, _)| *known == region).map(|(_, id)| id)
    }
}

fn pairs(list: &[String]) -> impl Iterator<Item = (&str, &str)> {
    list.iter().filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}

/// Settings that don't fit: the key, and what is wrong with it.
pub(super) fn check(config: &Config) -> Result<(), (&'static str, String)> {
    let urls = [
        ("identity.keycloak.url", &config.identity.keycloak.url),
        ("identity.keycloak.broker_issuer", &config.identity.keycloak.broker_issuer),
        ("identity.zitadel.url", &config.identity.zitadel.url),
        ("azure.authority_url", &config.azure.authority_url),
        ("azure.management_url", &config.azure.management_url),
        ("azure.identity_endpoint", &config.azure.identity_endpoint),
        ("billing.stripe_url", &config.billing.stripe_url),
        ("provisioning.copy_hook_url", &config.provisioning.copy_hook_url),
    ];
    for (key, text) in urls {
        let fits = |url: Url| matches!(url.scheme(), "http" | "https") && url.query().is_none();
        if !text.is_empty() && !Url::parse(text).is_ok_and(fits) {
            return Err((key, "must be an absolute http or https URL without a query".to_owned()));
        }
    }
    let one_of = |key, value: &str, known: &[&str]| match known.contains(&value) {
        true => Ok(()),
        false => Err((key, format!("must be one of {}", known.join(", ")))),
    };
    if !config.instances.driver.is_empty() {
        one_of("instances.driver", &config.instances.driver, &["pool", "azure"])?;
        if config.instances.driver == "azure" && config.azure.subscription_id.is_empty() {
            return Err(("instances.driver", "azure needs azure.subscription_id".to_owned()));
        }
    }
    if !(1..=100_000).contains(&config.instances.capacity) {
        return Err(("instances.capacity", "must be from 1 to 100,000".to_owned()));
    }
    one_of("instances.grow", &config.instances.grow, &["tell", "azure"])?;
    let credentials = ["client_secret", "workload_identity", "managed_identity"];
    one_of("azure.credential", &config.azure.credential, &credentials)?;
    for (_, effect) in pairs(&config.billing.statuses) {
        one_of("billing.statuses", effect, &["full", "grace", "suspend", "free"])?;
    }
    for (key, list) in [
        ("billing.prices", &config.billing.prices),
        ("billing.statuses", &config.billing.statuses),
        ("azure.environments", &config.azure.environments),
    ] {
        if pairs(list).count() != list.len() {
            return Err((key, "must be a list of key=value".to_owned()));
        }
    }
    if !config.provisioning.copy_hook_url.is_empty()
        && config.provisioning.copy_hook_secret.expose_secret().is_empty()
    {
        return Err(("provisioning.copy_hook_secret", "is required where there is a copy hook".to_owned()));
    }
    Ok(())
}
