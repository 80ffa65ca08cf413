//! What an installation sets for runs and for instances.

use std::time::Duration;

use platform::config::{Config, ConfigError, Section, require_one_of, require_url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// `[provisioning]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
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

impl Section for Settings {
    const NAME: &'static str = "provisioning";

    fn check(&self, _config: &Config) -> Result<(), ConfigError> {
        require_url("provisioning.copy_hook_url", &self.copy_hook_url)?;
        if !self.copy_hook_url.is_empty() && self.copy_hook_secret.expose_secret().is_empty() {
            let problem = "is required where there is a copy hook";
            return Err(ConfigError::invalid("provisioning.copy_hook_secret", problem));
        }
        Ok(())
    }
}

/// Of `[jobs]`: how a step of a run is tried again.
#[derive(Clone, Debug, Deserialize)]
pub struct Retries {
    /// Attempts of a provisioning step.
    pub provisioning_attempts_max: u32,
    /// Delay after a provisioning step's first failure, in milliseconds.
    pub provisioning_retry_base_ms: u64,
}

impl Section for Retries {
    const NAME: &'static str = "jobs";
}

/// Of `[instances]`: who makes them, and how they are looked after.
#[derive(Clone, Debug, Deserialize)]
pub struct Instances {
    /// Who places a tenant that asks for nobody: `pool` or `azure`; empty: the pool, once it has instances.
    pub driver: String,
    /// What happens when shared instances fill up: `notify` or `azure`.
    pub scale_out: String,
    /// Percent of an instance's capacity from which the next one is made.
    pub scale_out_at_percent: u32,
    /// The path that is asked for health.
    pub health_path: String,
    /// Time between checks.
    #[serde(with = "humantime_serde")]
    pub health_check: Duration,
}

impl Section for Instances {
    const NAME: &'static str = "instances";

    fn check(&self, config: &Config) -> Result<(), ConfigError> {
        if !self.driver.is_empty() {
            require_one_of("instances.driver", &self.driver, &["pool", "azure"])?;
            if self.driver == "azure" && config.section::<azure::Settings>().subscription_id.is_empty() {
                return Err(ConfigError::invalid("instances.driver", "azure needs azure.subscription_id"));
            }
        }
        require_one_of("instances.scale_out", &self.scale_out, &["notify", "azure"])
    }
}
