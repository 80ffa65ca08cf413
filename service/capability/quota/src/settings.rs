//! What an installation sets for quotas.

use std::time::Duration;

use platform::config::Section;
use serde::Deserialize;

/// `[quota]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// How long a reservation holds.
    #[serde(with = "humantime_serde")]
    pub reservation_lifetime: Duration,
    /// How long daily samples are kept.
    #[serde(with = "humantime_serde")]
    pub history_retention: Duration,
}

impl Section for Settings {
    const NAME: &'static str = "quota";
}
