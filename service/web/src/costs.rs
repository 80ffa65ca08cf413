//! What a tenant's SCIM requests cost together: a bucket of cost for each, so that one that asks for a lot of work takes no
//! more than its share of the processor, however few requests it needs for that.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use uuid::Uuid;

use crate::buckets::{Buckets, Size};
use crate::{Code, Problem};

/// Cost that a tenant's bucket gets back in a second, on the smallest plan. One is about a microsecond of a core: a tenth
/// of one.
const COST_PER_SECOND: u32 = 100_000;
/// The largest bucket, in seconds of what it gets back: the largest request of all fits in, and then waits for its next.
const COST_BURST_SECONDS: u32 = 80;

/// The buckets of this process.
#[derive(Default)]
pub(crate) struct Costs {
    /// By plan.
    buckets: Buckets<u32>,
}

impl Costs {
    /// Takes what work costs out of a tenant's bucket, before it is done.
    pub(crate) fn spend(&self, tenant: Uuid, multiplier: u32, cost: u64) -> Result<(), Problem> {
        let multiplier = multiplier.max(1);
        let per_second = COST_PER_SECOND.saturating_mul(multiplier);
        let burst = per_second.saturating_mul(COST_BURST_SECONDS);
        let Some(cost) = NonZeroU32::new(u32::try_from(cost).unwrap_or(u32::MAX)) else { return Ok(()) };
        let too_large =
            || Problem::detailed(Code::BODY_TOO_LARGE, "The request costs more than a single request may.");
        let size = Size { burst, back: per_second, period: Duration::from_secs(1) };
        match self.buckets.of(multiplier, size).check_key_n(&tenant, cost) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let detail = "The tenant's requests cost more per second than its plan allows.";
                let problem = Problem::detailed(Code::RATE_LIMITED, detail).fact("costPerSecond", per_second);
                Err(Problem { retry_after: Some(wait.as_secs() + 1), ..problem })
            }
            Err(_) => Err(too_large()),
        }
    }

    /// Forgets full buckets.
    pub(crate) fn tidy(&self) {
        self.buckets.tidy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_spends_what_it_has_and_waits_for_more() {
        let costs = Costs::default();
        let (one, two) = (platform::ids::new(), platform::ids::new());
        assert!(costs.spend(one, 1, 0).is_ok());
        assert!(costs.spend(one, 1, 7_900_000).is_ok());
        let refused = costs.spend(one, 1, 1_000_000).unwrap_err();
        assert_eq!(refused.code, Code::RATE_LIMITED);
        // 900,000 are missing; it gets 100,000 back in a second.
        assert!((8..=10).contains(&refused.retry_after.unwrap()), "{refused:?}");
        assert!(costs.spend(two, 1, 7_900_000).is_ok());
        assert!(costs.spend(one, 5, 30_000_000).is_ok(), "a larger plan has more");
        assert_eq!(costs.spend(two, 1, u64::MAX).unwrap_err().code, Code::BODY_TOO_LARGE);
    }
}
