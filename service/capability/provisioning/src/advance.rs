//! The job that takes a run on, and the lane in which everything about a tenant goes one after the other.

use platform::jobs::{Class, Job};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whatever changes what a tenant has outside runs one at a time: a removal must not overtake what is being made.
pub(crate) fn lane(tenant: Uuid) -> String {
    format!("tenant:{tenant}")
}

/// Takes a run on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Advance {
    pub(crate) tenant: Uuid,
    pub(crate) run: Uuid,
}

impl Job for Advance {
    const KIND: &'static str = "provisioning.advance";
    const CLASS: Class = Class::Provisioning;
    // The run itself decides when to give up; the job only carries it.
    const ATTEMPTS_MAX: u32 = 10_000;

    fn dedupe_key(&self) -> Option<String> {
        Some(self.run.to_string())
    }

    fn lane(&self) -> Option<String> {
        Some(lane(self.tenant))
    }

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

impl Advance {
    /// The key as the queue keeps it.
    pub(crate) fn stored_key(&self) -> String {
        format!("{}:{}", Self::KIND, self.run)
    }
}
