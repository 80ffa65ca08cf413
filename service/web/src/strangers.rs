//! What callers who showed no credential may leave behind: rows and log lines. Bounded for each network, and for all networks of the
//! process together, for whoever attacks has many.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use platform::config::RateLimit;
use platform::refusal::{Classified, Retry};
use platform::{Ctx, Target};
use serde_json::Value;
use uuid::Uuid;

use crate::peer::Network;
use crate::tally::Tally;
use crate::{Code, Problem, Service};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Refusals of one network that are recorded in a minute.
const RECORDS_PER_NETWORK: u64 = 20;
/// Refusals of all strangers that are recorded in a minute, and in a day: records stay for ever.
const RECORDS_PER_MINUTE: u64 = 300;
const RECORDS_PER_DAY: u64 = 10_000;
/// Refusals of one credential that are recorded in a minute.
const RECORDS_PER_CREDENTIAL: u64 = 300;
/// Sign-ins that one network begins in a minute, and their bytes in the store: a company's people share an address.
const BEGUN_PER_NETWORK: u64 = 120;
const BEGUN_BYTES_PER_NETWORK: u64 = 256 << 10;
/// The same for all networks: with the time that they are retained it bounds the table.
const BEGUN_PER_MINUTE: u64 = 1_200;
const BEGUN_BYTES_PER_MINUTE: u64 = 2 << 20;
/// Requests of one network in a minute that may end in a mail to somebody.
const ASKED_PER_NETWORK: u64 = 30;
/// The same for all networks, in a minute and in a day: each waits in a job, which is retained for a week.
const ASKED_PER_MINUTE: u64 = 300;
const ASKED_PER_DAY: u64 = 30_000;
/// Requests of strangers in a minute that are logged.
const LINES_PER_MINUTE: u64 = 6_000;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Network(Network),
    Credential(Uuid),
    All,
}

/// Strangers ask for too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowd {
    /// This network does.
    #[error("this network asks for too much")]
    Network {
        /// How long it goes on.
        left: Duration,
    },
    /// All networks together do.
    #[error("strangers ask for too much")]
    All {
        /// How long it goes on.
        left: Duration,
    },
}

impl Classified for Crowd {
    fn retry(&self) -> Retry {
        match self {
            Self::Network { .. } => Retry::Never,
            Self::All { .. } => Retry::Later,
        }
    }
}

impl From<Crowd> for Problem {
    fn from(crowd: Crowd) -> Self {
        match crowd {
            Crowd::Network { left } => wait(Code::RATE_LIMITED, left),
            Crowd::All { left } => wait(Code::UNAVAILABLE, left),
        }
    }
}

/// The counters of this process.
#[derive(Debug)]
pub struct Strangers {
    limited: bool,
    records: Tally<Who>,
    records_of_day: Tally<Who>,
    begun: Tally<Who>,
    begun_bytes: Tally<Who>,
    asked: Tally<Who>,
    asked_of_day: Tally<Who>,
    lines: Tally<Who>,
    unrecorded: AtomicU64,
    unlogged: AtomicU64,
}

impl Strangers {
    /// Counters; what people do in good faith too is only counted where there are rate limits.
    pub(crate) fn new(limits: &RateLimit) -> Self {
        Self::with_windows(limits, MINUTE, DAY)
    }

    fn with_windows(limits: &RateLimit, minute: Duration, day: Duration) -> Self {
        Self {
            limited: limits.enabled,
            records: Tally::new(minute),
            records_of_day: Tally::new(day),
            begun: Tally::new(minute),
            begun_bytes: Tally::new(minute),
            asked: Tally::new(minute),
            asked_of_day: Tally::new(day),
            lines: Tally::new(minute),
            unrecorded: AtomicU64::new(0),
            unlogged: AtomicU64::new(0),
        }
    }

    /// Whether a refusal may be recorded; then how many before it were not.
    fn may_record(&self, address: Option<IpAddr>, credential: Option<Uuid>) -> Option<u64> {
        let counted = match credential {
            Some(id) => self.records.add(Who::Credential(id), 1, RECORDS_PER_CREDENTIAL),
            None => self
                .records
                .add(Who::Network(Network::of(address)), 1, RECORDS_PER_NETWORK)
                .and_then(|()| self.records.add(Who::All, 1, RECORDS_PER_MINUTE))
                .and_then(|()| self.records_of_day.add(Who::All, 1, RECORDS_PER_DAY)),
        };
        if counted.is_ok() {
            return Some(self.unrecorded.swap(0, Ordering::Relaxed));
        }
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("tenantry_denied_unrecorded_total").increment(1);
        None
    }

    /// Whether what a stranger's failed attempt leaves behind may be stored: its trace, its record, its event.
    pub fn may_leave_trace(&self, ctx: &Ctx) -> bool {
        !self.limited || self.may_record(ctx.ip_address, None).is_some()
    }

    /// Counts a sign-in that somebody begins, and the bytes that wait for its end in the store.
    pub fn begin(&self, ctx: &Ctx, bytes: usize) -> Result<(), Crowd> {
        if !self.limited {
            return Ok(());
        }
        let network = Who::Network(Network::of(ctx.ip_address));
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let own = self
            .begun
            .add(network, 1, BEGUN_PER_NETWORK)
            .and_then(|()| self.begun_bytes.add(network, bytes, BEGUN_BYTES_PER_NETWORK));
        own.map_err(|left| Crowd::Network { left })?;
        let all = self
            .begun
            .add(Who::All, 1, BEGUN_PER_MINUTE)
            .and_then(|()| self.begun_bytes.add(Who::All, bytes, BEGUN_BYTES_PER_MINUTE));
        all.map_err(|left| Crowd::All { left })
    }

    /// Counts a request that may end in a mail: to join, or for a link to where somebody signs in.
    pub fn ask(&self, ctx: &Ctx) -> Result<(), Crowd> {
        if !self.limited {
            return Ok(());
        }
        let network = Who::Network(Network::of(ctx.ip_address));
        self.asked.add(network, 1, ASKED_PER_NETWORK).map_err(|left| Crowd::Network { left })?;
        let all = self
            .asked
            .add(Who::All, 1, ASKED_PER_MINUTE)
            .and_then(|()| self.asked_of_day.add(Who::All, 1, ASKED_PER_DAY));
        all.map_err(|left| Crowd::All { left })
    }

    /// Whether a request of a stranger may be logged, whatever it was answered; then how many before it were not.
    pub(crate) fn may_log(&self) -> Option<u64> {
        if self.lines.add(Who::All, 1, LINES_PER_MINUTE).is_ok() {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("tenantry_log_lines_dropped_total").increment(1);
        None
    }

    /// Forgets what is over.
    pub(crate) fn tidy(&self) {
        for tally in self.tallies() {
            tally.tidy();
        }
    }

    fn tallies(&self) -> [&Tally<Who>; 7] {
        // Names all fields: a further one is not forgotten here.
        let Self {
            records,
            records_of_day,
            begun,
            begun_bytes,
            asked,
            asked_of_day,
            lines,
            limited: _,
            unrecorded: _,
            unlogged: _,
        } = self;
        [records, records_of_day, begun, begun_bytes, asked, asked_of_day, lines]
    }
}

/// A refusal until a window is over.
pub(crate) fn wait(code: Code, left: Duration) -> Problem {
    Problem { retry_after: Some(left.as_secs() + 1), ..Problem::new(code) }
}

/// Records an attempt that was refused, as far as there may be records of who made it. The next record says how many there are not.
pub(crate) async fn record_denied(
    service: &Service,
    ctx: &Ctx,
    credential: Option<Uuid>,
    tenant: Option<Uuid>,
    action: &'static str,
    mut target: Target,
) {
    let Some(unrecorded) = service.strangers.may_record(ctx.ip_address, credential) else { return };
    // How many attempts of whomsoever are missing is nothing for one tenant to read.
    if let (1.., None, Value::Object(details)) = (unrecorded, tenant, &mut target.details) {
        details.insert("unrecorded".to_owned(), unrecorded.into());
    }
    if let Err(error) = service.db.record_denied(ctx, tenant, action, target).await {
        tracing::error!(error = %platform::chain(&error), "a denied attempt could not be recorded");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn strangers() -> Strangers {
        Strangers::new(&RateLimit { enabled: true })
    }

    fn ctx(address: &str) -> Ctx {
        Ctx { ip_address: Some(address.parse().unwrap()), ..Ctx::system("test") }
    }

    #[test]
    fn refusals_are_recorded_by_network_by_minute_and_by_credential() {
        let strangers = strangers();
        let recorded = |address: &str, times: usize| {
            (0..times).filter(|_| strangers.may_leave_trace(&ctx(address))).count()
        };
        assert_eq!(recorded("203.0.113.7", 50), 20);
        assert_eq!(recorded("2001:db8::1", 15), 15);
        assert_eq!(recorded("2001:db8::2", 15), 5, "one /64 is one network");
        let many: usize = (0..50).map(|host| recorded(&format!("198.51.100.{host}"), 50)).sum();
        assert_eq!(many, 300 - 40, "all together have an allowance too");
        let one = platform::ids::new();
        assert_eq!((0..500).filter(|_| strangers.may_record(None, Some(one)).is_some()).count(), 300);
    }

    #[test]
    fn what_was_not_recorded_is_told_by_the_next_record() {
        let strangers = strangers();
        for _ in 0..25 {
            let _ = strangers.may_record(None, None);
        }
        assert_eq!(strangers.may_record(Some([203, 0, 113, 9].into()), None), Some(5));
        assert_eq!(strangers.may_record(Some([203, 0, 113, 9].into()), None), Some(0));
    }

    #[test]
    fn sign_ins_are_begun_by_number_and_by_bytes() {
        let strangers = strangers();
        let begun = |address: &str, bytes: usize, times: usize| {
            (0..times).filter(|_| strangers.begin(&ctx(address), bytes).is_ok()).count()
        };
        assert_eq!(begun("203.0.113.7", 100, 200), 120);
        assert_eq!(begun("203.0.113.8", 60_000, 200), 4);
        let many: usize = (0..60).map(|host| begun(&format!("198.51.100.{host}"), 100, 100)).sum();
        assert_eq!(many, 1_200 - 124);
        let refused = strangers.begin(&ctx("192.0.2.1"), 100).unwrap_err();
        assert!(matches!(refused, Crowd::All { .. }));
        let problem = Problem::from(refused);
        assert_eq!((problem.code, problem.retry_after.is_some()), (Code::UNAVAILABLE, true));
        let refused = strangers.begin(&ctx("203.0.113.7"), 100).unwrap_err();
        assert_eq!(Problem::from(refused).code, Code::RATE_LIMITED);
    }

    #[test]
    fn mails_are_asked_for_by_network_by_minute_and_by_day() {
        let strangers = strangers();
        let asked = |address: &str| (0..100).filter(|_| strangers.ask(&ctx(address)).is_ok()).count();
        assert_eq!((asked("203.0.113.7"), asked("203.0.113.7")), (30, 0));
        assert_eq!((asked("2001:db8::1"), asked("2001:db8::2")), (30, 0), "one /64 is one network");
        let many: usize = (0..50).map(|host| asked(&format!("198.51.100.{host}"))).sum();
        assert_eq!(many, 300 - 60, "all together have an allowance too");
    }

    #[test]
    fn what_is_over_is_forgotten_with_all_limits() {
        let all =
            Arc::new(Strangers::with_windows(&RateLimit { enabled: true }, Duration::ZERO, Duration::ZERO));
        let keys = || all.tallies().map(Tally::len);
        let ctx = ctx("203.0.113.7");
        assert!(all.may_leave_trace(&ctx) && all.may_log().is_some());
        assert!(all.begin(&ctx, 100).is_ok() && all.ask(&ctx).is_ok());
        assert!(keys().iter().all(|keys| *keys > 0), "{:?}", keys());
        crate::Limits::new(all.clone()).tidy();
        assert_eq!(keys(), [0; 7]);
    }

    #[test]
    fn lines_about_strangers_are_bounded() {
        let strangers = strangers();
        assert_eq!((0..10_000).filter(|_| strangers.may_log().is_some()).count(), 6_000);
    }
}
