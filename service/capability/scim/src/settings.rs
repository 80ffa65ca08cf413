//! What an installation sets for SCIM.

use platform::config::Section;
use serde::Deserialize;

/// Of `[limits]`: SCIM tokens.
#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    /// SCIM tokens of an organization that count.
    pub scim_tokens: u64,
}

impl Section for Limits {
    const NAME: &'static str = "limits";
}
