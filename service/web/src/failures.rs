//! Failures at sign-in, token and invitation endpoints: for whom they count, and when there were too many. A place is taken before anything
//! is evaluated, so that no more is evaluated than may fail, however much comes at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use crate::peer::Network;
use crate::strangers::wait;
use crate::tally::Tally;
use crate::{Code, Problem};

/// Failures of nobody in particular, from one network in a minute; and wrong secrets of one client from there.
const FAILURES_PER_MINUTE: u64 = 20;
/// Failures in a minute of a client that proved who it is: everybody comes through a module's callback.
const FAILURES_PER_CLIENT: u64 = 600;
/// Attempts of one kind that wait for a place: a company's people share an address.
const WAITING_MAX: usize = 200;
/// How long one waits.
const WAIT: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// As whom a request acts. A client is named by the id of its row: there is one, however the request spelled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting {
    /// As nobody in particular.
    Nobody,
    /// As a client that exists, without proof yet.
    Claimed(Uuid),
    /// As a client that proved who it is.
    Proven(Uuid),
}

/// For whom a failure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FailureOf {
    Network(Network),
    /// An identity provider's answer that isn't accepted. Apart from the rest, and no place is held for it: nobody guesses the state that it
    /// answers, and a provider that hangs must keep nobody from anything else.
    SignIn(Network),
    /// A wrong secret: who knows the right one and comes from elsewhere isn't locked out.
    Secret(Uuid, Network),
    Client(Uuid),
}

impl FailureOf {
    /// The one place where it is decided.
    pub(crate) fn of(acting: Acting, network: Network) -> Self {
        match acting {
            Acting::Nobody => Self::Network(network),
            Acting::Claimed(client) => Self::Secret(client, network),
            Acting::Proven(client) => Self::Client(client),
        }
    }

    fn most(self) -> u64 {
        match self {
            Self::Network(_) | Self::SignIn(_) | Self::Secret(..) => FAILURES_PER_MINUTE,
            Self::Client(_) => FAILURES_PER_CLIENT,
        }
    }
}

/// What an attempt may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Now {
    Go,
    Wait,
    Refused,
}

/// Each attempt that is at work may turn out a failure. What failed already refuses at once; what may still fail is waited for.
fn now(failed: u64, at_work: u64, most: u64) -> Now {
    if failed >= most {
        Now::Refused
    } else if failed.saturating_add(at_work) >= most {
        Now::Wait
    } else {
        Now::Go
    }
}

/// The attempts that count for one: those at work, and those that wait, first come, first served.
#[derive(Debug, Default)]
struct Line {
    at_work: u64,
    waiting: VecDeque<Arc<Notify>>,
}

impl Line {
    /// The first one looks again.
    fn ring(&self) {
        if let Some(first) = self.waiting.front() {
            first.notify_one();
        }
    }
}

/// The failures of this process. Each kind has counts of its own: whoever fills those of one kind takes no place from another.
#[derive(Debug)]
pub(crate) struct Failures {
    networks: Tally<FailureOf>,
    sign_ins: Tally<FailureOf>,
    secrets: Tally<FailureOf>,
    clients: Tally<FailureOf>,
    lines: Mutex<HashMap<FailureOf, Line>>,
}

impl Default for Failures {
    fn default() -> Self {
        let tally = || Tally::new(MINUTE);
        Self {
            networks: tally(),
            sign_ins: tally(),
            secrets: tally(),
            clients: tally(),
            lines: Mutex::default(),
        }
    }
}

impl Failures {
    fn tally(&self, of: FailureOf) -> &Tally<FailureOf> {
        match of {
            FailureOf::Network(_) => &self.networks,
            FailureOf::SignIn(_) => &self.sign_ins,
            FailureOf::Secret(..) => &self.secrets,
            FailureOf::Client(_) => &self.clients,
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<FailureOf, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there were too many already: then nothing else needs to be done for the request.
    pub(crate) fn may(&self, of: FailureOf) -> Result<(), Problem> {
        let (failed, left) = self.tally(of).counted(of);
        if failed >= of.most() { Err(wait(Code::RATE_LIMITED, left)) } else { Ok(()) }
    }

    /// Takes a place before something is evaluated. Where those at work fill all places, waits for one.
    ///
    /// # Errors
    /// `rate.limited` where there were too many failures, where too many wait, or where it takes too long.
    pub(crate) async fn attempt(self: &Arc<Self>, of: FailureOf) -> Result<Attempt, Problem> {
        let place = self.line_up(of)?;
        let come = async {
            loop {
                if let Some(answer) = place.come() {
                    return answer;
                }
                place.bell.notified().await;
            }
        };
        timeout(WAIT, come).await.unwrap_or_else(|_| Err(soon()))
    }

    fn line_up(self: &Arc<Self>, of: FailureOf) -> Result<Waiting<'_>, Problem> {
        let bell = Arc::new(Notify::new());
        let mut lines = self.lines();
        let line = lines.entry(of).or_default();
        if line.waiting.len() >= WAITING_MAX {
            return Err(soon());
        }
        line.waiting.push_back(bell.clone());
        Ok(Waiting { failures: self, of, bell })
    }

    /// Counts one for which no place was taken: nothing was evaluated, as in a body that can't be read.
    pub(crate) fn count(&self, of: FailureOf) {
        // What is beyond the bound is refused before it could fail again.
        let _ = self.tally(of).add(of, 1, of.most());
    }

    /// Changes a line and tells whoever is first in it.
    fn change(&self, of: FailureOf, work: impl FnOnce(&mut Line)) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(&of) else { return };
        work(line);
        line.ring();
        if line.at_work == 0 && line.waiting.is_empty() {
            lines.remove(&of);
        }
        if lines.is_empty() {
            lines.shrink_to(64);
        }
    }

    pub(crate) fn tidy(&self) {
        let Self { networks, sign_ins, secrets, clients, lines: _ } = self;
        for tally in [networks, sign_ins, secrets, clients] {
            tally.tidy();
        }
    }
}

/// A refusal of whom others only were before.
fn soon() -> Problem {
    wait(Code::RATE_LIMITED, Duration::ZERO)
}

/// A place in the line; whoever goes away leaves it.
struct Waiting<'a> {
    failures: &'a Arc<Failures>,
    of: FailureOf,
    bell: Arc<Notify>,
}

impl Waiting<'_> {
    /// What came of it; `None` while it waits.
    fn come(&self) -> Option<Result<Attempt, Problem>> {
        let (failures, of) = (self.failures, self.of);
        let mut lines = failures.lines();
        let line = lines.get_mut(&of)?;
        let (failed, left) = failures.tally(of).counted(of);
        let is_first = line.waiting.front().is_some_and(|first| Arc::ptr_eq(first, &self.bell));
        match now(failed, line.at_work, of.most()) {
            Now::Refused => Some(Err(wait(Code::RATE_LIMITED, left))),
            Now::Go if is_first => {
                line.at_work += 1;
                line.waiting.pop_front();
                Some(Ok(Attempt { failures: failures.clone(), of, end: End::Failure }))
            }
            Now::Go | Now::Wait => None,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.failures.change(self.of, |line| line.waiting.retain(|bell| !Arc::ptr_eq(bell, &self.bell)));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Failure,
    Other,
}

/// A place for something that may fail. Unless it is given back it counts as a failure: whoever hangs up isn't told whether the secret was
/// right, but it was looked at.
#[derive(Debug)]
pub(crate) struct Attempt {
    failures: Arc<Failures>,
    of: FailureOf,
    end: End,
}

impl Attempt {
    /// It was no failure.
    pub(crate) fn give_back(mut self) {
        self.end = End::Other;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.failures.change(self.of, |line| {
            line.at_work = line.at_work.saturating_sub(1);
            // Under the same lock: at no moment is it neither at work nor counted.
            if self.end == End::Failure {
                self.failures.count(self.of);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const CRM: Uuid = Uuid::from_u128(1);
    const ERP: Uuid = Uuid::from_u128(2);

    fn network(host: u8) -> Network {
        Network::of(Some([203, 0, 113, host].into()))
    }

    fn nobody(host: u8) -> FailureOf {
        FailureOf::of(Acting::Nobody, network(host))
    }

    #[test]
    fn what_failed_refuses_and_what_may_still_fail_is_waited_for() {
        for (failed, at_work, most, expected) in [
            (0, 0, 20, Now::Go),
            (19, 0, 20, Now::Go),
            (0, 19, 20, Now::Go),
            (10, 9, 20, Now::Go),
            (0, 20, 20, Now::Wait),
            (10, 10, 20, Now::Wait),
            (19, 1, 20, Now::Wait),
            (20, 0, 20, Now::Refused),
            (20, 20, 20, Now::Refused),
        ] {
            assert_eq!(now(failed, at_work, most), expected, "{failed} failed, {at_work} at work");
        }
    }

    #[tokio::test]
    async fn a_failure_counts_for_the_one_who_is_known_to_have_made_it() {
        let failures = Arc::new(Failures::default());
        // Who, from where, how many failures are taken of how many.
        for (acting, host, times, taken) in [
            (Acting::Nobody, 1, 30, 20),
            (Acting::Nobody, 2, 30, 20),
            (Acting::Claimed(CRM), 1, 30, 20),
            (Acting::Claimed(CRM), 3, 10, 10),
            (Acting::Claimed(ERP), 1, 10, 10),
            (Acting::Proven(CRM), 1, 100, 100),
            (Acting::Proven(CRM), 2, 1000, 500),
        ] {
            let of = FailureOf::of(acting, network(host));
            let mut failed = 0;
            for _ in 0..times {
                failed += usize::from(failures.attempt(of).await.is_ok());
            }
            assert_eq!(failed, taken, "{acting:?} from {host}");
        }
        let refused = failures.may(nobody(1)).unwrap_err();
        assert_eq!(refused.code, Code::RATE_LIMITED);
        assert!(refused.retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)));
        assert!(failures.lines().is_empty(), "nothing is left of what ended");
    }

    #[tokio::test]
    async fn a_place_is_taken_before_and_given_back_unless_it_failed() {
        let failures = Arc::new(Failures::default());
        let mut at_work = Vec::new();
        for _ in 0..20 {
            at_work.push(failures.attempt(nobody(1)).await.unwrap());
        }
        let mut first = Box::pin(failures.attempt(nobody(1)));
        let mut second = Box::pin(failures.attempt(nobody(1)));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        assert!(failures.attempt(nobody(2)).await.is_ok(), "another network doesn't wait");
        at_work.pop().unwrap().give_back();
        assert!(second.as_mut().now_or_never().is_none(), "nobody passes who came before");
        let first = first.await.unwrap();
        // Who goes away leaves its place in the line.
        let third = Box::pin(failures.attempt(nobody(1)));
        drop(second);
        drop(at_work.split_off(18));
        at_work.into_iter().for_each(Attempt::give_back);
        let third = third.await.unwrap();
        third.give_back();
        // One failed: whoever is dropped did.
        drop(first);
        assert_eq!(failures.networks.counted(nobody(1)).0, 2);
    }

    #[tokio::test]
    async fn who_waits_is_refused_when_those_before_failed_and_so_many_wait_at_most() {
        let failures = Arc::new(Failures::default());
        let mut at_work = Vec::new();
        for _ in 0..20 {
            at_work.push(failures.attempt(nobody(1)).await.unwrap());
        }
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(failures.attempt(nobody(1)))).collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        let beyond = failures.attempt(nobody(1)).now_or_never().unwrap().unwrap_err();
        assert_eq!((beyond.code, beyond.retry_after), (Code::RATE_LIMITED, Some(1)));
        drop(at_work);
        for one in waiting {
            let refused = one.await.unwrap_err();
            assert!(refused.retry_after.is_some_and(|seconds| seconds > 1), "{refused:?}");
        }
        assert!(failures.lines().is_empty());
    }

    #[tokio::test]
    async fn invented_networks_take_no_place_from_clients() {
        let failures = Arc::new(Failures::default());
        for host in 0..100_001_u32 {
            failures.count(FailureOf::Network(Network::of(Some(host.to_be_bytes().into()))));
        }
        let of = |client: u128| FailureOf::of(Acting::Claimed(Uuid::from_u128(client)), network(1));
        for _ in 0..20 {
            drop(failures.attempt(of(1)).await.unwrap());
        }
        assert!(failures.may(of(1)).is_err() && failures.may(of(2)).is_ok());
    }
}
