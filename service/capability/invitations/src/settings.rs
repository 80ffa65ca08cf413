//! What an installation sets for invitations.

use std::time::Duration;

use platform::config::Section;
use serde::Deserialize;

/// `[invitations]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// How long an invitation can be accepted.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// Invitations by an organization's own people within 24 hours.
    pub per_organization_per_day: u64,
    /// Mails with an invitation to one address within 24 hours.
    pub per_recipient_per_day: u64,
}

impl Section for Settings {
    const NAME: &'static str = "invitations";
}
