//! What an installation sets for deliveries.

use platform::config::Section;
use serde::Deserialize;

/// `[webhooks]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// Delay after the first failure, in milliseconds.
    pub retry_base_ms: u64,
}

impl Section for Settings {
    const NAME: &'static str = "webhooks";
}
