//! Rate limits, in this process: by credential, by tenant and plan.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock as _, DefaultClock};
use platform::Timestamp;
use platform::crypto::sha256;
use uuid::Uuid;

use crate::access::Access;
use crate::buckets::{Buckets, Size};
use crate::costs::Costs;
use crate::credential::{CredentialKind, Principal};
use crate::failures::Failures;
use crate::peer::Network;
use crate::{Code, Problem, Strangers};

/// Requests of a tenant's keys together to `/api` in a minute, and those of one of its people, on the smallest plan.
const API_PER_MINUTE: u32 = 100;
/// A SCIM token's requests in a second, on the smallest plan: what Entra's gallery demands.
const SCIM_PER_SECOND: u32 = 25;
/// How many times as many requests a tenant's people, or its SCIM tokens, may make together as one of them.
const TENANT_FACTOR: u32 = 4;
/// Events of other products from one address in a minute.
const WEBHOOKS_PER_MINUTE: u32 = 1_000;
/// Which window a request falls in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Window {
    /// A tenant's keys, or one of its people.
    Api,
    /// All people of a tenant.
    ApiTenant,
    /// A SCIM token.
    Scim,
    /// All SCIM tokens of a tenant.
    ScimTenant,
    /// An address from which other products' webhooks come.
    Webhooks,
}

impl Window {
    fn parts(self) -> (&'static str, u32, Duration) {
        match self {
            Window::Api => ("api", API_PER_MINUTE, Duration::from_secs(60)),
            Window::ApiTenant => ("api-tenant", API_PER_MINUTE * TENANT_FACTOR, Duration::from_secs(60)),
            Window::Scim => ("scim", SCIM_PER_SECOND, Duration::from_secs(1)),
            Window::ScimTenant => ("scim-tenant", SCIM_PER_SECOND * TENANT_FACTOR, Duration::from_secs(1)),
            Window::Webhooks => ("webhooks", WEBHOOKS_PER_MINUTE, Duration::from_secs(60)),
        }
    }
}

/// The windows that a request of a tenant's credential falls in, with whose they are: its own, and its tenant's.
fn windows(access: Access, principal: &Principal) -> Vec<(Window, Uuid)> {
    match (access, principal.tenant) {
        (Access::Scim, tenant) => {
            let all = tenant.map(|tenant| (Window::ScimTenant, tenant));
            std::iter::once((Window::Scim, principal.id)).chain(all).collect()
        }
        (_, Some(tenant)) if principal.kind == CredentialKind::User => {
            vec![(Window::Api, principal.id), (Window::ApiTenant, tenant)]
        }
        // Keys are made at will: one window for all of a tenant's.
        (_, tenant) => vec![(Window::Api, tenant.unwrap_or(principal.id))],
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
pub struct Limits {
    buckets: Buckets<(Window, u32)>,
    pub(crate) failures: Arc<Failures>,
    pub(crate) costs: Costs,
    /// Here to be tidied with the rest.
    strangers: Arc<Strangers>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// Counters, beside those of strangers.
    pub fn new(strangers: Arc<Strangers>) -> Self {
        Self { buckets: Buckets::default(), failures: Arc::default(), costs: Costs::default(), strangers }
    }

    /// Counts a request of a credential, unless it is one of the platform's. Tells what is left in the fullest window.
    pub(crate) fn count_principal(
        &self,
        access: Access,
        principal: &Principal,
    ) -> Result<Option<Allowance>, Problem> {
        let Some(multiplier) = principal.rate_multiplier else { return Ok(None) };
        let mut fullest: Option<Allowance> = None;
        for (window, whose) in windows(access, principal) {
            let allowance = self.count(window, whose, multiplier)?;
            if fullest.is_none_or(|fullest| allowance.remaining < fullest.remaining) {
                fullest = Some(allowance);
            }
        }
        Ok(fullest)
    }

    /// Counts an event of another product.
    pub(crate) fn count_webhook(&self, network: Network) -> Result<Allowance, Problem> {
        let digest = sha256(format!("{network:?}").as_bytes());
        let key = Uuid::from_slice(digest.get(..16).unwrap_or_default()).unwrap_or_default();
        self.count(Window::Webhooks, key, 1)
    }

    /// Counts a request of `credential`, whose plan multiplies the limit.
    fn count(&self, window: Window, credential: Uuid, multiplier: u32) -> Result<Allowance, Problem> {
        let (_, base, period) = window.parts();
        let limit = base.saturating_mul(multiplier.max(1));
        let size = Size { burst: limit, back: limit, period };
        let limiter = self.buckets.of((window, multiplier.max(1)), size);
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
                let problem = Problem::new(Code::RATE_LIMITED);
                Err(Problem { retry_after: Some(wait.as_secs() + 1), ..problem }.fact("limit", limit))
            }
        }
    }

    /// Forgets what is over: memory stays bounded. Called every minute.
    pub fn tidy(&self) {
        let Self { buckets, failures, costs, strangers } = self;
        buckets.tidy();
        failures.tidy();
        costs.tidy();
        strangers.tidy();
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
    use platform::config::RateLimit;
    use policy_core::{Permission, Role};

    use super::*;

    fn limits() -> Limits {
        Limits::new(Arc::new(Strangers::new(&RateLimit { enabled: true })))
    }

    fn principal(kind: CredentialKind, tenant: Option<u128>) -> Principal {
        Principal {
            kind,
            id: platform::ids::new(),
            role: Role::Admin,
            tenant: tenant.map(Uuid::from_u128),
            organization: None,
            rate_multiplier: Some(1),
            compat: false,
            addresses: Arc::default(),
            dry_run: None,
        }
    }

    #[test]
    fn a_window_has_its_plan_and_no_more() {
        let limits = limits();
        let (one, two) = (platform::ids::new(), platform::ids::new());
        for left in (0..100).rev() {
            assert_eq!(limits.count(Window::Api, one, 1).unwrap().remaining, left);
        }
        let refused = limits.count(Window::Api, one, 1).unwrap_err();
        assert_eq!(refused.code, Code::RATE_LIMITED);
        assert!(refused.retry_after.unwrap() >= 1);
        assert!(limits.count(Window::Api, two, 1).is_ok());
        assert_eq!(limits.count(Window::Api, two, 5).unwrap().limit, 500);
    }

    #[test]
    fn a_tenant_gets_no_more_by_more_credentials() {
        let api = Access::Key(Permission::TenantRead);
        // How many requests in all pass, of so many credentials with a hundred requests each.
        for (kind, access, credentials, passed) in [
            (CredentialKind::Key, api, 1, 100),
            (CredentialKind::Key, api, 3, 100),
            (CredentialKind::User, api, 1, 100),
            (CredentialKind::User, api, 3, 300),
            (CredentialKind::User, api, 10, 400),
            (CredentialKind::ScimToken, Access::Scim, 1, 25),
            (CredentialKind::ScimToken, Access::Scim, 10, 100),
        ] {
            let limits = limits();
            let all: Vec<Principal> = (0..credentials).map(|_| principal(kind, Some(1))).collect();
            let count =
                |one: &Principal| (0..100).filter(|_| limits.count_principal(access, one).is_ok()).count();
            let began = std::time::Instant::now();
            let counted: usize = all.iter().map(count).sum();
            // The windows go on while it is counted, which takes its time on a busy machine: by a tenant's hundred a second, or by four
            // hundred a minute.
            let grown = began.elapsed().as_millis() * if access == Access::Scim { 100 } else { 7 } / 1000;
            let most = passed + 1 + usize::try_from(grown).unwrap();
            assert!((passed..=most).contains(&counted), "{credentials} of kind {kind:?}: {counted}");
            assert!(limits.count_principal(access, &principal(kind, Some(2))).is_ok(), "another tenant's");
        }
    }

    #[test]
    fn the_fullest_window_is_told() {
        let limits = limits();
        let api = Access::Key(Permission::TenantRead);
        let one = principal(CredentialKind::User, Some(1));
        let first = limits.count_principal(api, &one).unwrap().unwrap();
        assert_eq!((first.window, first.limit, first.remaining), (Window::Api, 100, 99));
        for _ in 0..3 {
            let other = principal(CredentialKind::User, Some(1));
            assert!((0..100).all(|_| limits.count_principal(api, &other).is_ok()));
        }
        let last = limits.count_principal(api, &one).unwrap().unwrap();
        assert_eq!((last.window, last.remaining < 99, last.remaining), (Window::Api, true, 98));
        assert!(
            (0..60).all(|_| limits.count_principal(api, &principal(CredentialKind::User, Some(1))).is_ok())
        );
        let next = limits.count_principal(api, &one).unwrap().unwrap();
        assert_eq!((next.window, next.limit), (Window::ApiTenant, 400));
    }

    #[test]
    fn a_credential_of_the_platform_is_not_counted() {
        let limits = limits();
        let operator = Principal { rate_multiplier: None, ..principal(CredentialKind::Key, None) };
        let api = Access::Key(Permission::TenantRead);
        assert!((0..1000).all(|_| limits.count_principal(api, &operator).unwrap().is_none()));
    }
}
