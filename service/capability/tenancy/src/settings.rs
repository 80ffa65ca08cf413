//! What an installation sets for tenants.

use platform::config::{Config, ConfigError, Section};
use serde::Deserialize;

/// Of `[limits]`: organizations.
#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    /// Organizations of a tenant, times its plan's multiplier.
    pub organizations: u64,
}

impl Section for Limits {
    const NAME: &'static str = "limits";
}

/// Of `[instances]`: instances that tenants share.
#[derive(Clone, Debug, Deserialize)]
pub struct SharedInstances {
    /// How many tenants a shared instance takes that doesn't say otherwise.
    pub capacity: u32,
}

impl Section for SharedInstances {
    const NAME: &'static str = "instances";

    fn check(&self, _config: &Config) -> Result<(), ConfigError> {
        if !(1..=100_000).contains(&self.capacity) {
            return Err(ConfigError::invalid("instances.capacity", "must be from 1 to 100,000"));
        }
        Ok(())
    }
}
