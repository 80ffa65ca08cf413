//! Rate limits, in this process: by credential and plan, and by address for failures.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use platform::Timestamp;
use uuid::Uuid;

use crate::{Code, Problem};

/// A tenant's requests to `/api` in a minute, on the smallest plan.
const API_PER_MINUTE: u32 = 100;
/// A SCIM token's requests in a second, on the smallest plan: what Entra's gallery demands.
const SCIM_PER_SECOND: u32 = 25;
/// Events of other products from one address in a minute.
const WEBHOOKS_PER_MINUTE: u32 = 1_000;
/// Failures of an address in a minute on sign-in and token endpoints; also the denied attempts that are recorded.
const FAILURES_PER_MINUTE: u32 = 20;
/// Addresses whose failures are counted at once.
const ADDRESSES_MAX: usize = 100_000;

type Limiter = RateLimiter<Uuid, DefaultKeyedStateStore<Uuid>, DefaultClock, StateInformationMiddleware>;

/// Which window a request falls in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Window {
    Api,
    Scim,
    Webhooks,
}

impl Window {
    fn parts(self) -> (&'static str, u32, Duration) {
        match self {
            Window::Api => ("api", API_PER_MINUTE, Duration::from_secs(60)),
            Window::Scim => ("scim", SCIM_PER_SECOND, Duration::from_secs(1)),
            Window::Webhooks => ("webhooks", WEBHOOKS_PER_MINUTE, Duration::from_secs(60)),
        }
    }
}

/// What is left after a request was let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    window: Window,
    limit: u32,
    remaining: u32,
    reset_seconds: u64,
}

/// The counters of this process.
#[derive(Default)]
pub struct Limits {
    limiters: Mutex<HashMap<(Window, u32), Arc<Limiter>>>,
    failures: Mutex<HashMap<IpAddr, (Instant, Arc<AtomicU32>)>>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// Counts a request of `credential`, whose plan multiplies the limit.
    pub(crate) fn count(
        &self,
        window: Window,
        credential: Uuid,
        multiplier: u32,
    ) -> Result<Allowance, Problem> {
        let (_, base, period) = window.parts();
        let limit = base.saturating_mul(multiplier.max(1));
        let limiter = self.limiter(window, multiplier.max(1), limit, period);
        match limiter.check_key(&credential) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = u128::from(limit.saturating_sub(remaining));
                let reset = period.as_millis() * missing / u128::from(limit.max(1));
                let reset_seconds = u64::try_from(reset.div_ceil(1000)).unwrap_or(1);
                Ok(Allowance { window, limit, remaining, reset_seconds })
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let problem = Problem::new(Code::RateLimited);
                Err(Problem { retry_after: Some(wait.as_secs() + 1), ..problem }.fact("limit", limit))
            }
        }
    }

    fn limiter(&self, window: Window, multiplier: u32, limit: u32, period: Duration) -> Arc<Limiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters.entry((window, multiplier)).or_insert_with(|| {
            let burst = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::with_period(period / limit.max(1)).unwrap_or_else(|| Quota::per_second(burst));
            let quota = quota.allow_burst(burst);
            Arc::new(RateLimiter::keyed(quota).with_middleware())
        });
        limiter.clone()
    }

    /// Whether an address may try again on a sign-in or token endpoint.
    pub(crate) fn may_fail(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, count)) = failures.get(&address) else { return Ok(()) };
        let left = Duration::from_secs(60).saturating_sub(since.elapsed());
        if left.is_zero() || count.load(Ordering::Relaxed) < FAILURES_PER_MINUTE {
            return Ok(());
        }
        Err(Problem { retry_after: Some(left.as_secs() + 1), ..Problem::new(Code::RateLimited) })
    }

    /// Counts a failure of an address; false once it had too many to record each.
    pub(crate) fn failed(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return true };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX {
            failures.retain(|_, (since, _)| since.elapsed() < Duration::from_secs(60));
        }
        let (since, count) = failures.entry(address).or_insert_with(|| (Instant::now(), Arc::default()));
        if since.elapsed() >= Duration::from_secs(60) {
            *since = Instant::now();
            count.store(0, Ordering::Relaxed);
        }
        count.fetch_add(1, Ordering::Relaxed) < FAILURES_PER_MINUTE
    }

    /// Forgets what is over: memory stays bounded. Called every minute.
    pub fn tidy(&self) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, (since, _)| since.elapsed() < Duration::from_secs(60));
        for limiter in self.limiters.lock().unwrap_or_else(PoisonError::into_inner).values() {
            limiter.retain_recent();
        }
    }
}

impl Allowance {
    /// Tells the caller: the draft's fields, and the older ones with an epoch.
    pub(crate) fn write(&self, headers: &mut HeaderMap, now: Timestamp) {
        let (name, _, period) = self.window.parts();
        let epoch = now.timestamp().saturating_add(i64::try_from(self.reset_seconds).unwrap_or(0));
        let values = [
            ("ratelimit-policy", format!("\"{name}\";q={};w={}", self.limit, period.as_secs())),
            ("ratelimit", format!("\"{name}\";r={};t={}", self.remaining, self.reset_seconds)),
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", epoch.to_string()),
        ];
        for (name, value) in values {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_its_plan_and_no_more() {
        let limits = Limits::default();
        let (one, two) = (platform::ids::new(), platform::ids::new());
        for left in (0..100).rev() {
            assert_eq!(limits.count(Window::Api, one, 1).unwrap().remaining, left);
        }
        let refused = limits.count(Window::Api, one, 1).unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert!(refused.retry_after.unwrap() >= 1);
        assert!(limits.count(Window::Api, two, 1).is_ok());
        assert_eq!(limits.count(Window::Api, two, 5).unwrap().limit, 500);
    }

    #[test]
    fn an_address_may_fail_twenty_times_a_minute() {
        let limits = Limits::default();
        let address = Some(IpAddr::from([203, 0, 113, 7]));
        for _ in 0..20 {
            assert!(limits.may_fail(address).is_ok());
            assert!(limits.failed(address));
        }
        assert!(limits.may_fail(address).is_err());
        assert!(!limits.failed(address));
        assert!(limits.may_fail(Some(IpAddr::from([203, 0, 113, 8]))).is_ok());
    }
}
