//! Buckets that fill again: one for each key, by plan, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DefaultKeyedStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};
use uuid::Uuid;

/// Keys that one limiter counts apart; those beyond are counted together.
const KEYS_MAX: usize = 100_000;

/// The key of those who find no place.
const OTHERS: Uuid = Uuid::nil();

pub(crate) type Limiter = RateLimiter<Uuid, Places, DefaultClock, StateInformationMiddleware>;

/// What is counted of each key. Who has a place keeps it, whoever comes after.
#[derive(Default)]
pub(crate) struct Places(DefaultKeyedStateStore<Uuid>);

impl StateStore for Places {
    type Key = Uuid;

    fn measure_and_replace<T, F, E>(&self, key: &Uuid, work: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let has_place = self.0.contains_key(key) || self.0.len() < KEYS_MAX;
        self.0.measure_and_replace(if has_place { key } else { &OTHERS }, work)
    }
}

impl ShrinkableKeyedStateStore<Uuid> for Places {
    fn retain_recent(&self, drop_below: Nanos) {
        ShrinkableKeyedStateStore::retain_recent(&self.0, drop_below);
    }

    fn shrink_to_fit(&self) {
        self.0.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a bucket holds, and in which time so much of it comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) burst: u32,
    pub(crate) back: u32,
    pub(crate) period: Duration,
}

impl Size {
    fn limiter(self) -> Limiter {
        let burst = NonZeroU32::new(self.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(self.period / self.back.max(1));
        let quota = quota.unwrap_or_else(|| Quota::per_second(burst)).allow_burst(burst);
        Limiter::new(quota, Places::default(), DefaultClock::default())
    }
}

/// The limiters of one kind, by what decides how much they let through.
pub(crate) struct Buckets<P>(Mutex<HashMap<P, Arc<Limiter>>>);

impl<P> Default for Buckets<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P: Eq + Hash> Buckets<P> {
    /// The limiter of a plan.
    pub(crate) fn of(&self, plan: P, size: Size) -> Arc<Limiter> {
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        limiters.entry(plan).or_insert_with(|| Arc::new(size.limiter())).clone()
    }

    /// Forgets full buckets.
    pub(crate) fn tidy(&self) {
        for limiter in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_bucket_keeps_it_and_those_who_find_none_share_one() {
        let limiter = Size { burst: 10, back: 10, period: Duration::from_secs(3600) }.limiter();
        let passes = |key: u128| limiter.check_key(&Uuid::from_u128(key)).is_ok();
        assert!((1..=100_000).all(passes));
        let passed = |key: u128| (0..20).filter(|_| passes(key)).count();
        assert_eq!((100_001..=100_005).map(passed).collect::<Vec<_>>(), [10, 0, 0, 0, 0], "those beyond");
        assert_eq!([1, 2, 100_000].map(passed), [9, 9, 9], "those who were there");
        assert_eq!(limiter.len(), KEYS_MAX + 1);
    }
}
