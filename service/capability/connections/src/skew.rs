//! How far clocks may differ.

use crate::settings::Settings;

/// The difference between clocks that is tolerated.
#[must_use]
pub fn skew(tools: &web::Tools) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(tools.config.section::<Settings>().clock_skew)
        .unwrap_or(chrono::TimeDelta::seconds(30))
}
