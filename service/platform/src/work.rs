//! Work that would hold up a worker thread, or the whole store: who does it waits for a turn, beside the worker threads
//! and before a transaction begins.
//!
//! [`Heavy`] admits requests that cost much: one of each owner at a time, so many bytes in all, owners in turn. What it
//! admitted computes on a thread of its own, on all cores but one. [`KeyedLocks`] orders changes of one thing.

mod keyed_lock;

pub use keyed_lock::{KeyedLock, KeyedLocks, LockMode};

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

/// Requests at work at once; one of each owner.
const RUNNING_MAX: usize = 8;
/// Bytes of their bodies; what is made of them while they are at work is up to three times as much.
const RUNNING_BYTES_MAX: usize = 32 << 20;
/// Requests of one owner that wait.
const WAITING_PER_OWNER: usize = 8;
/// Requests that wait, of all owners.
const WAITING_MAX: usize = 64;
/// Bytes of theirs.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How long one waits.
const WAIT: Duration = Duration::from_secs(10);

/// Why work isn't admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The owner has as much at work or waiting as one may have.
    Share,
    /// All together have.
    Full,
    /// The work panicked.
    Failed,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refused::Share => "too much of this owner's work waits",
            Refused::Full => "too much work waits",
            Refused::Failed => "the work failed",
        })
    }
}

impl std::error::Error for Refused {}

/// What is admitted, by numbers.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    running: usize,
    running_bytes: usize,
    waiting_per_owner: usize,
    waiting: usize,
    waiting_bytes: usize,
    wait: Duration,
}

/// The heavy work of a process.
#[derive(Clone, Debug)]
pub struct Heavy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    state: Mutex<State>,
    threads: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    running: HashSet<Uuid>,
    running_bytes: usize,
    /// By owner, in order of arrival.
    waiting: HashMap<Uuid, VecDeque<Waiter>>,
    /// Owners who wait, the next first.
    order: VecDeque<Uuid>,
    waiting_count: usize,
    waiting_bytes: usize,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    bytes: usize,
    admit: oneshot::Sender<Slot>,
}

/// A place at work, given back when nobody holds it any more: neither the request nor what still computes for it.
#[derive(Clone, Debug)]
pub struct Slot(Arc<Place>);

#[derive(Debug)]
struct Place {
    heavy: Heavy,
    owner: Uuid,
    bytes: usize,
}

impl Default for Heavy {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let bounds = Bounds {
            running: RUNNING_MAX,
            running_bytes: RUNNING_BYTES_MAX,
            waiting_per_owner: WAITING_PER_OWNER,
            waiting: WAITING_MAX,
            waiting_bytes: WAITING_BYTES_MAX,
            wait: WAIT,
        };
        Self::with(bounds, cores.saturating_sub(1).max(1))
    }
}

impl Heavy {
    fn with(bounds: Bounds, threads: usize) -> Self {
        let threads = Arc::new(Semaphore::new(threads));
        Self(Arc::new(Inner { bounds, state: Mutex::default(), threads }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place for work of `owner` with a body of so many bytes.
    ///
    /// # Errors
    /// [`Refused::Share`] if the owner has enough already, [`Refused::Full`] if all together have.
    pub async fn admit(&self, owner: Uuid, bytes: usize) -> Result<Slot, Refused> {
        let (number, admitted) = {
            let mut state = self.state();
            let own = state.waiting.get(&owner).map_or(0, VecDeque::len);
            if own == 0 && state.order.is_empty() && state.has_capacity(&self.0.bounds, owner, bytes) {
                return Ok(self.occupy(&mut state, owner, bytes));
            }
            let bounds = &self.0.bounds;
            if own >= bounds.waiting_per_owner {
                return Err(Refused::Share);
            }
            if state.waiting_count >= bounds.waiting || state.waiting_bytes + bytes > bounds.waiting_bytes {
                return Err(Refused::Full);
            }
            let (admit, admitted) = oneshot::channel();
            let number = state.push(owner, bytes, admit);
            (number, admitted)
        };
        let waiting = Waiting { heavy: self, owner, number };
        // Somebody who waits only for bytes that are there, behind owners who wait for themselves.
        self.serve();
        if let Ok(Ok(slot)) = timeout(self.0.bounds.wait, admitted).await {
            return Ok(slot);
        }
        drop(waiting);
        Err(if self.state().running.contains(&owner) { Refused::Share } else { Refused::Full })
    }

    /// Computes on a thread beside the workers, as soon as one is free.
    ///
    /// # Errors
    /// [`Refused::Failed`] if it panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let thread = self.thread().await?;
        self.run_at_once(move || {
            let _thread = thread;
            work()
        })
        .await
    }

    /// Computes beside the workers without waiting for a thread: for one who holds what others wait for.
    ///
    /// # Errors
    /// [`Refused::Failed`] if it panics.
    pub async fn run_at_once<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        tokio::task::spawn_blocking(work).await.map_err(|_| Refused::Failed)
    }

    async fn thread(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.0.threads.clone().acquire_owned().await.map_err(|_| Refused::Failed)
    }

    fn occupy(&self, state: &mut State, owner: Uuid, bytes: usize) -> Slot {
        state.running.insert(owner);
        state.running_bytes += bytes;
        Slot(Arc::new(Place { heavy: self.clone(), owner, bytes }))
    }

    /// Admits those for whom there is room now, owners in turn.
    fn serve(&self) {
        let mut admitted = Vec::new();
        let mut state = self.state();
        // Who waits for its own work keeps its place.
        while let Some(owner) = state.next() {
            let first = state.waiting.get(&owner).and_then(VecDeque::front);
            let fits = first.is_some_and(|first| state.has_capacity(&self.0.bounds, owner, first.bytes));
            // A large one isn't passed by small ones for ever: they wait with it.
            if !fits {
                break;
            }
            let Some(waiter) = state.pop(owner, None) else { break };
            admitted.push((waiter.admit, self.occupy(&mut state, owner, waiter.bytes)));
            if state.waiting.contains_key(&owner) {
                state.order.retain(|one| *one != owner);
                state.order.push_back(owner);
            }
        }
        drop(state);
        // Who went away meanwhile drops the place, which serves the next.
        for (admit, slot) in admitted {
            let _ = admit.send(slot);
        }
    }
}

impl State {
    fn has_capacity(&self, bounds: &Bounds, owner: Uuid, bytes: usize) -> bool {
        let fits = self.running_bytes + bytes <= bounds.running_bytes || self.running.is_empty();
        fits && self.running.len() < bounds.running && !self.running.contains(&owner)
    }

    /// The first owner who waits and has nothing at work.
    fn next(&self) -> Option<Uuid> {
        self.order.iter().find(|owner| !self.running.contains(owner)).copied()
    }

    fn push(&mut self, owner: Uuid, bytes: usize, admit: oneshot::Sender<Slot>) -> u64 {
        self.arrivals += 1;
        let number = self.arrivals;
        let queue = self.waiting.entry(owner).or_default();
        if queue.is_empty() {
            self.order.push_back(owner);
        }
        queue.push_back(Waiter { number, bytes, admit });
        self.waiting_count += 1;
        self.waiting_bytes += bytes;
        number
    }

    /// Takes the owner's first waiter out, or that of a number.
    fn pop(&mut self, owner: Uuid, number: Option<u64>) -> Option<Waiter> {
        let queue = self.waiting.get_mut(&owner)?;
        let at = match number {
            Some(number) => queue.iter().position(|waiter| waiter.number == number)?,
            None => 0,
        };
        let waiter = queue.remove(at)?;
        if queue.is_empty() {
            self.waiting.remove(&owner);
            self.order.retain(|one| *one != owner);
        }
        self.waiting_count -= 1;
        self.waiting_bytes -= waiter.bytes;
        Some(waiter)
    }
}

/// One that waits; gone with the request, whether it was admitted, waited too long or was given up.
struct Waiting<'a> {
    heavy: &'a Heavy,
    owner: Uuid,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.heavy.state().pop(self.owner, Some(self.number)).is_some();
        // Those behind may fit where it didn't.
        if left {
            self.heavy.serve();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.heavy.state();
        state.running.remove(&self.owner);
        state.running_bytes = state.running_bytes.saturating_sub(self.bytes);
        drop(state);
        self.heavy.serve();
    }
}

impl Slot {
    /// The same as [`Heavy::run`]. A request that is given up meanwhile keeps its place until that ends.
    ///
    /// # Errors
    /// [`Refused::Failed`] if it panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        self.thread().await?.run(work).await
    }

    /// Waits for a thread, for who will need one while others wait for them.
    ///
    /// # Errors
    /// [`Refused::Failed`].
    pub async fn thread(&self) -> Result<Thread, Refused> {
        Ok(Thread { slot: self.clone(), permit: self.0.heavy.thread().await? })
    }
}

/// A thread beside the workers, for one computation.
#[derive(Debug)]
pub struct Thread {
    slot: Slot,
    permit: OwnedSemaphorePermit,
}

impl Thread {
    /// The same as [`Slot::run`], without waiting.
    ///
    /// # Errors
    /// [`Refused::Failed`] if it panics.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let Self { slot, permit } = self;
        let heavy = slot.0.heavy.clone();
        let work = move || {
            let _held = (slot, permit);
            work()
        };
        heavy.run_at_once(work).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn heavy() -> Heavy {
        waiting(Duration::from_secs(30))
    }

    fn waiting(wait: Duration) -> Heavy {
        let bounds = Bounds {
            running: 2,
            running_bytes: 100,
            waiting_per_owner: 2,
            waiting: 3,
            waiting_bytes: 200,
            wait,
        };
        Heavy::with(bounds, 1)
    }

    fn owner(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn is_empty(heavy: &Heavy) -> bool {
        let state = heavy.state();
        state.running.is_empty()
            && (state.running_bytes, state.waiting_count, state.waiting_bytes) == (0, 0, 0)
            && state.waiting.is_empty()
            && state.order.is_empty()
    }

    #[tokio::test]
    async fn an_owner_has_one_at_work_few_waiting_and_no_more() {
        let heavy = waiting(Duration::from_millis(50));
        let first = heavy.admit(owner(1), 10).await.unwrap();
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(heavy.admit(owner(1), 10))).collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert_eq!(heavy.admit(owner(1), 10).await.unwrap_err(), Refused::Share);
        let other = heavy.admit(owner(2), 10).await.unwrap();
        drop(first);
        let second = waiting.remove(0).await.unwrap();
        assert_eq!(waiting.remove(0).await.unwrap_err(), Refused::Share, "it waited too long for its own");
        drop((second, other, waiting));
        assert!(is_empty(&heavy));
    }

    #[tokio::test]
    async fn owners_come_in_turn_and_a_large_one_is_not_passed() {
        let heavy = heavy();
        let (a, b) = (heavy.admit(owner(1), 10).await.unwrap(), heavy.admit(owner(2), 10).await.unwrap());
        let mut again = Box::pin(heavy.admit(owner(1), 10));
        let mut large = Box::pin(heavy.admit(owner(3), 95));
        let mut small = Box::pin(heavy.admit(owner(4), 1));
        for one in [&mut again, &mut large, &mut small] {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert_eq!(heavy.admit(owner(5), 1).await.unwrap_err(), Refused::Full);
        drop(a);
        let again = again.await.unwrap();
        drop(b);
        assert!(large.as_mut().now_or_never().is_none() && small.as_mut().now_or_never().is_none());
        drop(again);
        let large = large.await.unwrap();
        let small = small.await.unwrap();
        drop((large, small));
        assert!(is_empty(&heavy));
    }

    #[tokio::test]
    async fn what_is_larger_than_all_comes_alone_and_who_goes_away_leaves_nothing() {
        let heavy = heavy();
        let alone = heavy.admit(owner(1), 1_000).await.unwrap();
        let mut gone = Box::pin(heavy.admit(owner(2), 10));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(gone);
        assert_eq!(heavy.admit(owner(3), 500).await.unwrap_err(), Refused::Full, "too many bytes wait");
        drop(alone);
        assert!(is_empty(&heavy));
    }

    #[tokio::test]
    async fn a_place_is_held_until_the_work_ends() {
        let heavy = heavy();
        let slot = heavy.admit(owner(1), 1).await.unwrap();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let mut work = Box::pin(slot.run(move || ended.recv()));
        assert!(work.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        assert!(work.as_mut().now_or_never().is_none());
        drop(work);
        drop(slot);
        assert!(heavy.state().running.contains(&owner(1)), "it still computes");
        end.send(()).unwrap();
        let next = heavy.admit(owner(1), 1).await.unwrap();
        assert_eq!(next.run(|| 7).await, Ok(7));
        assert_eq!(next.run(|| -> u8 { panic!("on purpose") }).await, Err(Refused::Failed));
        drop(next);
        assert!(is_empty(&heavy));
    }
}
