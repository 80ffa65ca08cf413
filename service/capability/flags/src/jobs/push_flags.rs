//! The job that pushes what a module has not confirmed: left when its flags are found to differ, and when the next attempt is due.

use platform::Timestamp;
use platform::jobs::{Class, Job};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Pushes what a module has not confirmed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PushFlags {
    pub(crate) module: Uuid,
    /// Left for this moment; absent: because something changed.
    #[serde(default)]
    pub(crate) at: Option<Timestamp>,
}

impl Job for PushFlags {
    const KIND: &'static str = "flags.push";
    const CLASS: Class = Class::Push;
    // What fails here is the store; pushes have their own schedule, and go on until the module confirms.
    const ATTEMPTS_MAX: u32 = 10_000;

    fn lane(&self) -> Option<String> {
        Some(format!("module:{}", self.module))
    }

    fn dedupe_key(&self) -> Option<String> {
        let at = self.at.map(|at| at.timestamp_micros());
        Some(format!("{}:{}", self.module, at.unwrap_or_default()))
    }
}
