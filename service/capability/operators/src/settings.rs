//! What an installation sets for operators.

use platform::config::Section;
use serde::Deserialize;

/// Of `[sso]`: operators.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// Whether operators may come in by a password too.
    pub operator_passwords: bool,
}

impl Section for Settings {
    const NAME: &'static str = "sso";
}
