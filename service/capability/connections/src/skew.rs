//! How far clocks may differ.

/// The difference between clocks that is tolerated.
#[must_use]
pub fn skew(tools: &web::Tools) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(tools.config.sso.clock_skew).unwrap_or(chrono::TimeDelta::seconds(30))
}
