//! Bytes of bodies in memory: one budget for the process, and a share of it for each caller, so that nobody's uploads take the memory of
//! others. Small bodies have a reserve: they pass while large ones wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::peer::Network;
use crate::{Code, Problem};

/// Bytes of a body that may use the reserve.
const SMALL_MAX: u64 = 64 << 10;
/// Large bodies that are on their way at once, a quarter of them from one network.
const ARRIVING_MAX: usize = 200;
/// How long a body waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(2);
/// Seconds after which a refused caller may try again.
const RETRY_AFTER: u64 = 2;

/// Whose bodies are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Tenant(Uuid),
    /// A credential of the platform.
    Credential(Uuid),
    Stranger(Network),
}

/// Whether a body may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

impl Size {
    pub(crate) fn of(bytes: u64) -> Self {
        if bytes <= SMALL_MAX { Self::Small } else { Self::Large }
    }
}

/// What a body costs beyond its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Only the bytes: parsed elsewhere, under a bound of its own.
    Raw,
    /// The bytes and their decoded texts.
    Form,
    /// The bytes and a tree of values.
    Tree,
}

impl Weight {
    pub(crate) fn cost(self, bytes: u64) -> u64 {
        bytes.saturating_mul(match self {
            Self::Raw => 1,
            Self::Form => 2,
            Self::Tree => 4,
        })
    }
}

/// What is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    all: u64,
    strangers: u64,
    owner: u64,
}

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    Share,
    Process,
}

impl Full {
    fn problem(self) -> Problem {
        let problem = match self {
            Self::Share => Problem::detailed(
                Code::RATE_LIMITED,
                "Your other requests use up your share of the memory for request bodies.",
            ),
            Self::Process => {
                Problem::detailed(Code::UNAVAILABLE, "The memory for request bodies is used up.")
            }
        };
        Problem { retry_after: Some(RETRY_AFTER), ..problem }
    }
}

/// How the budget is divided.
#[derive(Clone, Copy, Debug)]
struct Shares {
    all: u64,
}

impl Shares {
    /// Of one owner.
    fn owner(self) -> u64 {
        self.all / 4
    }

    /// Only for small bodies.
    fn reserve(self) -> u64 {
        self.all / 8
    }

    /// Whether `more` bytes fit in; strangers have half of everything, so that those who are known always have memory.
    fn fit(self, used: Used, owner: Owner, size: Size, more: u64) -> Result<(), Full> {
        let reserve = self.reserve();
        let (all, extra) = match size {
            Size::Small => (self.all, reserve / 4),
            Size::Large => (self.all - reserve, 0),
        };
        if used.owner.saturating_add(more) > self.owner() + extra {
            return Err(Full::Share);
        }
        let strangers = matches!(owner, Owner::Stranger(_));
        if used.all.saturating_add(more) > all || strangers && used.strangers.saturating_add(more) > all / 2 {
            return Err(Full::Process);
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Counts {
    all: u64,
    strangers: u64,
    of: HashMap<Owner, u64>,
    arriving: HashMap<Network, usize>,
}

/// The bodies of this process.
#[derive(Debug)]
pub(crate) struct Bodies {
    shares: Shares,
    wait: Duration,
    counts: Mutex<Counts>,
    freed: Notify,
}

/// A large body on its way, from the head of its request until it is read or refused.
#[derive(Debug)]
pub(crate) struct Upload {
    bodies: Arc<Bodies>,
    network: Network,
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut counts = self.bodies.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = counts.arriving.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                counts.arriving.remove(&self.network);
            }
        }
    }
}

/// Memory that is reserved for one body, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryReservation {
    bodies: Arc<Bodies>,
    owner: Owner,
    bytes: u64,
}

impl Bodies {
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        Self::waiting(bytes, MEMORY_WAIT)
    }

    fn waiting(bytes: u64, wait: Duration) -> Arc<Self> {
        let shares = Shares { all: bytes };
        Arc::new(Self { shares, wait, counts: Mutex::default(), freed: Notify::new() })
    }

    /// Lets a large body come. Until it is known whose it is, the server's buffers fill with it: some hundred KiB of each.
    pub(crate) fn begin_upload(self: &Arc<Self>, network: Network) -> Result<Upload, Problem> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.arriving.values().sum::<usize>() >= ARRIVING_MAX {
            return Err(Full::Process.problem());
        }
        let own = counts.arriving.entry(network).or_default();
        if *own >= ARRIVING_MAX / 4 {
            return Err(Full::Share.problem());
        }
        *own += 1;
        Ok(Upload { bodies: self.clone(), network })
    }

    /// A reservation for a body of this caller, of which nothing has come yet.
    pub(crate) fn reservation(self: &Arc<Self>, owner: Owner) -> MemoryReservation {
        MemoryReservation { bodies: self.clone(), owner, bytes: 0 }
    }

    fn take(&self, owner: Owner, size: Size, more: u64) -> Result<(), Full> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.of.get(&owner).copied().unwrap_or_default();
        let used = Used { all: counts.all, strangers: counts.strangers, owner: own };
        self.shares.fit(used, owner, size, more)?;
        counts.all += more;
        if matches!(owner, Owner::Stranger(_)) {
            counts.strangers += more;
        }
        counts.of.insert(owner, own + more);
        Ok(())
    }

    fn give_back(&self, owner: Owner, bytes: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(bytes);
        if matches!(owner, Owner::Stranger(_)) {
            counts.strangers = counts.strangers.saturating_sub(bytes);
        }
        if let Some(own) = counts.of.get_mut(&owner) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                counts.of.remove(&owner);
            }
        }
        drop(counts);
        self.freed.notify_waiters();
    }
}

impl MemoryReservation {
    /// Makes the reservation as large as `bytes`, waiting a little for others to leave. A body that is larger than its owner's whole share counts
    /// as that: it comes alone.
    pub(crate) async fn extend_to(&mut self, size: Size, bytes: u64) -> Result<(), Problem> {
        let bytes = bytes.min(self.bodies.shares.owner());
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        let deadline = Instant::now() + self.bodies.wait;
        loop {
            let freed = self.bodies.freed.notified();
            tokio::pin!(freed);
            // From here on it is heard, also if somebody leaves between the look and the wait.
            freed.as_mut().enable();
            match self.bodies.take(self.owner, size, more) {
                Ok(()) => break,
                Err(full) => {
                    if timeout_at(deadline, freed).await.is_err() {
                        return Err(full.problem());
                    }
                }
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.bodies.give_back(self.owner, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_body_fits_into_the_share_and_into_the_whole() {
        let shares = Shares { all: 64 * MIB };
        let known = Owner::Tenant(Uuid::nil());
        let stranger = Owner::Stranger(Network::of(None));
        let used =
            |all, strangers, owner| Used { all: all * MIB, strangers: strangers * MIB, owner: owner * MIB };
        for (what, used, owner, size, more, fits) in [
            ("an empty process", used(0, 0, 0), known, Size::Large, 16 * MIB, Ok(())),
            ("more than a quarter", used(0, 0, 0), known, Size::Large, 16 * MIB + 1, Err(Full::Share)),
            ("the rest of a quarter", used(10, 0, 10), known, Size::Large, 6 * MIB, Ok(())),
            ("a share that is full", used(16, 0, 16), known, Size::Large, 1, Err(Full::Share)),
            ("a small one in a full share", used(16, 0, 16), known, Size::Small, MIB, Ok(())),
            ("small ones beyond that", used(18, 0, 18), known, Size::Small, 1, Err(Full::Share)),
            ("three full shares", used(48, 0, 0), known, Size::Large, 8 * MIB, Ok(())),
            ("what is reserved", used(56, 0, 0), known, Size::Large, 1, Err(Full::Process)),
            ("a small one in the reserve", used(56, 0, 0), known, Size::Small, MIB, Ok(())),
            ("a process that is full", used(64, 0, 0), known, Size::Small, 1, Err(Full::Process)),
            ("strangers with half", used(28, 28, 0), stranger, Size::Large, 1, Err(Full::Process)),
            ("a small stranger's", used(28, 28, 0), stranger, Size::Small, MIB, Ok(())),
            ("who is known beside strangers", used(28, 28, 0), known, Size::Large, 16 * MIB, Ok(())),
        ] {
            assert_eq!(shares.fit(used, owner, size, more), fits, "{what}");
        }
    }

    #[test]
    fn a_tree_costs_more_than_its_text() {
        assert_eq!([Weight::Raw, Weight::Form, Weight::Tree].map(|weight| weight.cost(10)), [10, 20, 40]);
        assert_eq!((Size::of(64 << 10), Size::of((64 << 10) + 1)), (Size::Small, Size::Large));
    }

    #[test]
    fn large_bodies_come_a_few_at_a_time() {
        let bodies = Bodies::new(64 * MIB);
        let from = |host: u8| Network::of(Some([203, 0, 113, host].into()));
        let come = |host, times: usize| -> Vec<Upload> {
            (0..times).map_while(|_| bodies.begin_upload(from(host)).ok()).collect()
        };
        let all: Vec<_> = (0..5).map(|host| come(host, 100)).collect();
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 50, 50, 0]);
        drop(all);
        assert_eq!(come(9, 100).len(), 50);
        assert!(bodies.counts.lock().unwrap().arriving.is_empty());
    }

    #[tokio::test]
    async fn a_body_that_finds_no_room_is_refused_after_a_while() {
        let bodies = Bodies::waiting(64 * MIB, Duration::from_millis(20));
        let owner = Owner::Credential(Uuid::nil());
        let mut first = bodies.reservation(owner);
        first.extend_to(Size::Large, 100 * MIB).await.unwrap();
        assert_eq!(first.bytes, 16 * MIB, "larger than the share: alone");
        let refused = bodies.reservation(owner).extend_to(Size::Large, MIB).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RATE_LIMITED, Some(2)));
        let mut other = bodies.reservation(Owner::Tenant(Uuid::nil()));
        other.extend_to(Size::Large, MIB).await.unwrap();
        drop((first, other));
        let counts = bodies.counts.lock().unwrap();
        assert_eq!((counts.all, counts.strangers, counts.of.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_body_goes_on_when_another_leaves() {
        let bodies = Bodies::waiting(64 * MIB, Duration::from_secs(30));
        let owner = Owner::Stranger(Network::of(None));
        let (mut first, mut second) = (bodies.reservation(owner), bodies.reservation(owner));
        first.extend_to(Size::Large, 16 * MIB).await.unwrap();
        let (waited, ()) = tokio::join!(second.extend_to(Size::Large, MIB), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        waited.unwrap();
        assert_eq!(second.bytes, MIB);
    }
}
