//! What an installation sets for events on NATS.

use platform::config::Section;
use secrecy::SecretString;
use serde::Deserialize;

/// `[nats]`
#[derive(Clone, Debug, Deserialize)]
pub struct Nats {
    /// Where it is; empty: nowhere.
    pub url: SecretString,
}

impl Section for Nats {
    const NAME: &'static str = "nats";
    const SHORT_NAMES: &'static [(&'static str, &'static str)] = &[("TENANTRY_NATS_URL", "nats.url")];
}
