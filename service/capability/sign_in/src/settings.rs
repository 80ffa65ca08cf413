//! What an installation sets for sign-in.

use std::time::Duration;

use platform::config::Section;
use serde::Deserialize;

/// Of `[sso]`: the trace of sign-ins.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// How long attempts to sign in are kept.
    #[serde(with = "humantime_serde")]
    pub sign_in_retention: Duration,
}

impl Section for Settings {
    const NAME: &'static str = "sso";
}
