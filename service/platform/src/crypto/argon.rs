//! Argon2id behind a queue that is bounded, fair between lanes, and has a deadline.
//!
//! One evaluation takes 19 MiB and tens of milliseconds of a core, and whoever can name a credential can ask for one. So few
//! run at once, few wait for one credential, lanes take turns, and whoever would wait too long is told to come again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use secrecy::zeroize::Zeroizing;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Evaluations at once: more would starve everything else in the process.
const AT_ONCE_MAX: usize = 2;
/// Requests that wait, of the whole process.
const WAITING_MAX: usize = 64;
/// Requests that wait with a secret of one credential.
const CHECKS_WAITING_MAX: usize = 4;
/// How long somebody who shows a secret waits.
const CHECK_DEADLINE: Duration = Duration::from_secs(2);
/// How long somebody who makes a secret waits: they are authenticated, and their rate is limited.
const MAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Out of memory, shutting down, or the stored hash can't be read.
    #[error("argon2 failed")]
    Failed,
    /// Too many wait already, or the deadline passed.
    #[error("too many secrets are being checked")]
    Busy,
}

/// Lanes take turns, so that a crowd in one delays the others by one turn at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Somebody shows a secret of this credential.
    Check(Uuid),
    /// Somebody makes a secret for this owner; nil: the platform.
    Make(Uuid),
}

impl Lane {
    fn waiting_max(self) -> usize {
        match self {
            Lane::Check(_) => CHECKS_WAITING_MAX,
            Lane::Make(_) => WAITING_MAX,
        }
    }

    fn deadline(self) -> Duration {
        match self {
            Lane::Check(_) => CHECK_DEADLINE,
            Lane::Make(_) => MAKE_DEADLINE,
        }
    }
}

/// What of the queue one lock guards. `W` is who waits; the queue's rules don't depend on it.
#[derive(Debug)]
struct Waiting<W> {
    running: usize,
    lanes: HashMap<Lane, VecDeque<W>>,
    /// Lanes in the order of their turns; each that isn't empty is here once.
    order: VecDeque<Lane>,
}

impl<W> Default for Waiting<W> {
    fn default() -> Self {
        Self { running: 0, lanes: HashMap::new(), order: VecDeque::new() }
    }
}

impl<W> Waiting<W> {
    fn count(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    /// Forgets those who went away.
    fn sweep(&mut self, gone: impl Fn(&W) -> bool) {
        for lane in self.lanes.values_mut() {
            lane.retain(|one| !gone(one));
        }
        self.lanes.retain(|_, lane| !lane.is_empty());
        self.order.retain(|lane| self.lanes.contains_key(lane));
    }

    /// Lets `who` wait in `lane`. A full queue makes room for a lane that is shorter than the longest one.
    fn join(&mut self, lane: Lane, who: W) -> Result<(), HashError> {
        let length = self.lanes.get(&lane).map_or(0, VecDeque::len);
        if length >= lane.waiting_max() {
            return Err(HashError::Busy);
        }
        if self.count() >= WAITING_MAX {
            let longest = self.lanes.values_mut().max_by_key(|lane| lane.len());
            match longest.filter(|longest| longest.len() > length + 1) {
                // Dropped, it hears that no permit will come.
                Some(longest) => drop(longest.pop_back()),
                None => return Err(HashError::Busy),
            }
        }
        if length == 0 {
            self.order.push_back(lane);
        }
        self.lanes.entry(lane).or_default().push_back(who);
        Ok(())
    }

    /// Who is next; its lane goes to the end of the turns.
    fn next(&mut self) -> Option<W> {
        loop {
            let lane = self.order.pop_front()?;
            let Some(queue) = self.lanes.get_mut(&lane) else { continue };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.lanes.remove(&lane);
            } else {
                self.order.push_back(lane);
            }
            if next.is_some() {
                return next;
            }
        }
    }
}

/// The right to run one evaluation; handed to the next in line when it is dropped.
#[derive(Debug)]
struct Permit(Arc<Mutex<Waiting<oneshot::Sender<Permit>>>>);

fn locked<W>(waiting: &Mutex<Waiting<W>>) -> MutexGuard<'_, Waiting<W>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut waiting = locked(&self.0);
        let Some(next) = waiting.next() else {
            waiting.running = waiting.running.saturating_sub(1);
            return;
        };
        drop(waiting);
        // Whoever went away gives the permit back, and this function finds the one behind.
        let _ = next.send(Permit(self.0.clone()));
    }
}

/// Argon2id with the parameters of RFC 9106's second choice, one queue a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Argon {
    waiting: Arc<Mutex<Waiting<oneshot::Sender<Permit>>>>,
}

impl Argon {
    async fn acquire(&self, lane: Lane) -> Result<Permit, HashError> {
        let receiver = {
            let mut waiting = locked(&self.waiting);
            if waiting.running < AT_ONCE_MAX {
                waiting.running += 1;
                drop(waiting);
                return Ok(Permit(self.waiting.clone()));
            }
            waiting.sweep(oneshot::Sender::is_closed);
            let (sender, receiver) = oneshot::channel();
            waiting.join(lane, sender)?;
            receiver
        };
        match tokio::time::timeout(lane.deadline(), receiver).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(HashError::Busy),
        }
    }

    /// The permit goes with the work: a caller who went away doesn't make room for another evaluation beside this one.
    async fn run<T: Send + 'static>(
        permit: Permit,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| HashError::Failed)?
    }

    /// The PHC string of `secret`.
    pub(super) async fn hash(&self, lane: Lane, secret: &str) -> Result<String, HashError> {
        let secret = Zeroizing::new(secret.to_owned());
        let permit = self.acquire(lane).await?;
        let work = move || {
            let hash = Argon2::default().hash_password(secret.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|_| HashError::Failed)
        };
        Self::run(permit, work).await
    }

    /// Whether `secret` is the one behind `phc`. `known` is asked again when the turn has come: somebody in front may have
    /// shown the same.
    pub(super) async fn verify(
        &self,
        lane: Lane,
        secret: &str,
        phc: &str,
        known: impl Fn() -> Option<bool>,
    ) -> Result<bool, HashError> {
        let secret = Zeroizing::new(secret.to_owned());
        let phc = phc.to_owned();
        let permit = self.acquire(lane).await?;
        if let Some(known) = known() {
            return Ok(known);
        }
        let work = move || {
            let hash = PasswordHash::new(&phc).map_err(|_| HashError::Failed)?;
            Ok(Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
        };
        Self::run(permit, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: u128) -> Lane {
        Lane::Check(Uuid::from_u128(id))
    }

    #[test]
    fn lanes_take_turns_however_many_wait_in_one() {
        let mut waiting = Waiting::default();
        let crowd = Lane::Make(Uuid::nil());
        for who in 0..20 {
            waiting.join(crowd, ("crowd", who)).unwrap();
        }
        waiting.join(check(1), ("one", 0)).unwrap();
        waiting.join(check(2), ("two", 0)).unwrap();
        let served: Vec<_> = std::iter::from_fn(|| waiting.next()).take(5).collect();
        assert_eq!(served, [("crowd", 0), ("one", 0), ("two", 0), ("crowd", 1), ("crowd", 2)]);
    }

    #[test]
    fn a_lane_and_the_whole_are_bounded_and_the_longest_lane_makes_room() {
        let mut waiting = Waiting::default();
        for who in 0..CHECKS_WAITING_MAX {
            waiting.join(check(0), who).unwrap();
        }
        assert_eq!(waiting.join(check(0), 9), Err(HashError::Busy), "of one credential");
        let crowd = Lane::Make(Uuid::nil());
        for who in 0..WAITING_MAX - CHECKS_WAITING_MAX {
            waiting.join(crowd, who).unwrap();
        }
        assert_eq!(waiting.join(crowd, 99), Err(HashError::Busy), "of the process");
        for id in 1..=40 {
            waiting.join(check(id), 0).unwrap();
            assert_eq!(waiting.count(), WAITING_MAX);
        }
        // Nobody takes the place of one who has no more than himself.
        let mut id = 100;
        while waiting.join(check(id), 0).is_ok() {
            id += 1;
        }
        assert_eq!(waiting.count(), WAITING_MAX);
        assert!(waiting.lanes.values().all(|lane| lane.len() == 1));
    }

    #[test]
    fn who_went_away_is_forgotten() {
        let mut waiting = Waiting::default();
        for who in 0..CHECKS_WAITING_MAX {
            waiting.join(check(0), who).unwrap();
        }
        waiting.sweep(|_| true);
        assert!(waiting.lanes.is_empty() && waiting.order.is_empty());
        waiting.join(check(0), 7).unwrap();
        assert_eq!((waiting.next(), waiting.next()), (Some(7), None));
    }

    #[tokio::test]
    async fn turns_are_handed_on_and_given_back() {
        let argon = Argon::default();
        let first = argon.acquire(check(1)).await.unwrap();
        let second = argon.acquire(check(1)).await.unwrap();
        let (waits, went_away) = {
            let (one, two) = (argon.clone(), argon.clone());
            (
                tokio::spawn(async move { one.acquire(check(2)).await.is_ok() }),
                tokio::spawn(async move { two.acquire(check(3)).await.is_ok() }),
            )
        };
        tokio::task::yield_now().await;
        went_away.abort();
        let _ = went_away.await;
        drop(first);
        assert!(waits.await.unwrap());
        drop(second);
        assert_eq!(locked(&argon.waiting).running, 0);
        let again = argon.acquire(check(1)).await.unwrap();
        assert_eq!(locked(&argon.waiting).running, 1);
        drop(again);
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_in_time_is_refused() {
        let argon = Argon::default();
        let held = [argon.acquire(check(1)).await.unwrap(), argon.acquire(check(1)).await.unwrap()];
        let refused = argon.acquire(check(1)).await;
        assert_eq!(refused.map(drop), Err(HashError::Busy));
        drop(held);
    }
}
