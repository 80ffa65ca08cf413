//! The job that works an endpoint's queue off: left when something comes, and when the next attempt is due.

use platform::Timestamp;
use platform::jobs::{Class, Job};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Delivers what an endpoint has to get.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deliver {
    pub(crate) endpoint: Uuid,
    /// Left for this moment; absent: because something came.
    #[serde(default)]
    pub(crate) at: Option<Timestamp>,
}

impl Job for Deliver {
    const KIND: &'static str = "webhook.deliver";
    const CLASS: Class = Class::Delivery;
    // What fails here is the store; deliveries have their own schedule.
    const ATTEMPTS_MAX: u32 = 10_000;

    fn lane(&self) -> Option<String> {
        Some(format!("endpoint:{}", self.endpoint))
    }

    fn dedupe_key(&self) -> Option<String> {
        let at = self.at.map(|at| at.timestamp_micros());
        Some(format!("{}:{}", self.endpoint, at.unwrap_or_default()))
    }
}
