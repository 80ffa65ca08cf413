//! How far clocks may differ.

/// The difference between clocks that is tolerated.
#[must_use]
pub fn skew(service: &web::Service) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(service.config.sso.clock_skew).unwrap_or(chrono::TimeDelta::seconds(30))
}
