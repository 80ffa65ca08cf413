//! Time, read through one door so that a test can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::Timestamp;

/// The system's clock, plus an offset that only tests move.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The current moment. Postgres keeps microseconds, so nothing finer is ever handed out: what is written must equal
    /// what is read back.
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub fn now(&self) -> Timestamp {
        let offset = TimeDelta::microseconds(self.offset_micros.load(Ordering::Relaxed));
        let now: DateTime<Utc> = Utc::now();
        now.checked_add_signed(offset).unwrap_or(now).trunc_subsecs(6)
    }

    /// Moves the clock for everyone who holds it.
    pub fn advance(&self, by: TimeDelta) {
        self.offset_micros.fetch_add(by.num_microseconds().unwrap_or_default(), Ordering::Relaxed);
    }
}
