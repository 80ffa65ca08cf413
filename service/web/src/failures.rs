//! Failures at sign-in, token and invitation endpoints: for whom they count, and when there were too many.

use std::time::Duration;

use platform::crypto::sha256;

use crate::peer::Network;
use crate::strangers::wait;
use crate::tally::Tally;
use crate::{Code, Problem};

/// Failures of nobody in particular, from one network in a minute; and wrong secrets of one client from there.
const FAILURES_PER_MINUTE: u64 = 20;
/// Failures in a minute of a client that proved who it is: everybody comes through a module's callback.
const FAILURES_PER_CLIENT: u64 = 600;
const MINUTE: Duration = Duration::from_secs(60);

/// As whom a request acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting<'a> {
    /// As nobody in particular.
    Nobody,
    /// As a client that exists, by its id, without proof yet.
    Claimed(&'a str),
    /// As a client that proved who it is.
    Proven(&'a str),
}

/// For whom a failure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FailureOf {
    Network(Network),
    /// A wrong secret: who knows the right one and comes from elsewhere isn't locked out.
    Secret([u8; 32], Network),
    Client([u8; 32]),
}

impl FailureOf {
    /// The one place where it is decided.
    pub(crate) fn of(acting: Acting<'_>, network: Network) -> Self {
        match acting {
            Acting::Nobody => Self::Network(network),
            Acting::Claimed(client) => Self::Secret(sha256(client.as_bytes()), network),
            Acting::Proven(client) => Self::Client(sha256(client.as_bytes())),
        }
    }

    fn most(self) -> u64 {
        match self {
            Self::Network(_) | Self::Secret(..) => FAILURES_PER_MINUTE,
            Self::Client(_) => FAILURES_PER_CLIENT,
        }
    }
}

/// The failures of this process.
#[derive(Debug)]
pub(crate) struct Failures {
    counts: Tally<FailureOf>,
}

impl Default for Failures {
    fn default() -> Self {
        Self { counts: Tally::new(MINUTE) }
    }
}

impl Failures {
    /// Whether there may be one more.
    pub(crate) fn may(&self, of: FailureOf) -> Result<(), Problem> {
        self.counts.look(of, of.most()).map_err(|left| wait(Code::RateLimited, left))
    }

    /// Counts one.
    pub(crate) fn count(&self, of: FailureOf) {
        // What is beyond the bound is refused before it could fail again.
        let _ = self.counts.add(of, 1, of.most());
    }

    pub(crate) fn tidy(&self) {
        self.counts.tidy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(host: u8) -> Network {
        Network::of(Some([203, 0, 113, host].into()))
    }

    #[test]
    fn a_failure_counts_for_the_one_who_is_known_to_have_made_it() {
        let failures = Failures::default();
        let fail = |acting, host, times: usize| {
            let of = FailureOf::of(acting, network(host));
            (0..times).take_while(|_| failures.may(of).is_ok()).inspect(|_| failures.count(of)).count()
        };
        // Who, from where, how many failures are taken of how many.
        for (acting, host, times, taken) in [
            (Acting::Nobody, 1, 30, 20),
            (Acting::Nobody, 2, 30, 20),
            (Acting::Claimed("crm"), 1, 30, 20),
            (Acting::Claimed("crm"), 3, 10, 10),
            (Acting::Claimed("erp"), 1, 10, 10),
            (Acting::Proven("crm"), 1, 100, 100),
            (Acting::Proven("crm"), 2, 1000, 500),
        ] {
            assert_eq!(fail(acting, host, times), taken, "{acting:?} from {host}");
        }
        let refused = failures.may(FailureOf::of(Acting::Nobody, network(1))).unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert!(refused.retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)));
    }
}
