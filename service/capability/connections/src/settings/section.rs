//! What an installation sets for connections.

use std::time::Duration;

use platform::config::Section;
use serde::Deserialize;

/// Of `[sso]`: clocks, and proofs of domains.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// Tolerated difference between clocks.
    #[serde(with = "humantime_serde")]
    pub clock_skew: Duration,
    /// The name server that is asked for proofs of domains; empty: the system's.
    pub dns_server: String,
}

impl Section for Settings {
    const NAME: &'static str = "sso";
}
