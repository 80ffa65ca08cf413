//! What an installation sets for sessions and tokens.

use std::time::Duration;

use platform::config::{Config, ConfigError, Section};
use serde::Deserialize;

/// `[tokens]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// Lifetime of an access token.
    #[serde(with = "humantime_serde")]
    pub access_lifetime: Duration,
    /// Lifetime of a session.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// Lifetime of an unused refresh token.
    #[serde(with = "humantime_serde")]
    pub refresh_lifetime: Duration,
    /// Time between signing keys.
    #[serde(with = "humantime_serde")]
    pub key_rotation: Duration,
}

impl Section for Settings {
    const NAME: &'static str = "tokens";

    fn check(&self, _config: &Config) -> Result<(), ConfigError> {
        if self.access_lifetime < Duration::from_secs(10) {
            return Err(ConfigError::invalid("tokens.access_lifetime", "must be at least 10s"));
        }
        Ok(())
    }
}
