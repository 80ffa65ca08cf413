//! Keyed locks: changes of one thing wait for each other here, before a transaction begins, and hold no connection of the
//! store meanwhile.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Refused;

/// Small changes of one thing at once.
const TOGETHER_MAX: u32 = 8;
/// Changes of one thing that are made or wait.
const CHANGES_MAX: usize = 128;
/// How long one waits.
const WAIT: Duration = Duration::from_secs(10);

/// How a change meets others of the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Beside others that are as small.
    Shared,
    /// By itself.
    Exclusive,
}

/// Things that are changed, by key.
#[derive(Debug)]
pub struct KeyedLocks<K: Clone + Eq + Hash>(Arc<Places<K>>);

type Places<K> = Mutex<HashMap<K, Arc<Semaphore>>>;

/// A lock; the next one's when it is dropped.
#[derive(Debug)]
pub struct KeyedLock<K: Clone + Eq + Hash> {
    places: Arc<Places<K>>,
    key: K,
    /// Absent while it waits.
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Clone + Eq + Hash> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> KeyedLocks<K> {
    /// Waits for the lock of what `key` names, first come, first served.
    ///
    /// # Errors
    /// [`Refused::Share`] if too many wait for it, or others take too long.
    pub async fn take(&self, key: K, mode: LockMode) -> Result<KeyedLock<K>, Refused> {
        let place = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(TOGETHER_MAX as usize));
            let place = places.entry(key.clone()).or_insert_with(new);
            // The map holds it once, each change once more.
            if Arc::strong_count(place) > CHANGES_MAX {
                return Err(Refused::Share);
            }
            place.clone()
        };
        let mut lock = KeyedLock { places: self.0.clone(), key, permit: None };
        let many = match mode {
            LockMode::Shared => 1,
            LockMode::Exclusive => TOGETHER_MAX,
        };
        match timeout(WAIT, place.acquire_many_owned(many)).await {
            Ok(Ok(permit)) => {
                lock.permit = Some(permit);
                Ok(lock)
            }
            _ => Err(Refused::Share),
        }
    }
}

impl<K: Clone + Eq + Hash> Drop for KeyedLock<K> {
    fn drop(&mut self) {
        self.permit = None;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.get(&self.key).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn small_changes_go_together_and_a_large_one_alone() {
        let locks = KeyedLocks::<u8>::default();
        let mut together = Vec::new();
        for _ in 0..TOGETHER_MAX {
            together.push(locks.take(1, LockMode::Shared).await.unwrap());
        }
        let mut alone = Box::pin(locks.take(1, LockMode::Exclusive));
        assert!(alone.as_mut().now_or_never().is_none());
        let mut behind = Box::pin(locks.take(1, LockMode::Shared));
        assert!(behind.as_mut().now_or_never().is_none());
        let other = locks.take(2, LockMode::Exclusive).await.unwrap();
        together.pop();
        assert!(behind.as_mut().now_or_never().is_none(), "nobody passes who came before");
        drop(together);
        let alone = alone.await.unwrap();
        assert!(behind.as_mut().now_or_never().is_none());
        drop(alone);
        drop(behind.await.unwrap());
        drop(other);
        assert!(locks.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn so_many_wait_and_who_goes_away_leaves_nothing() {
        let locks = KeyedLocks::<u8>::default();
        let first = locks.take(1, LockMode::Exclusive).await.unwrap();
        let mut waiting: Vec<_> =
            (1..CHANGES_MAX).map(|_| Box::pin(locks.take(1, LockMode::Exclusive))).collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert_eq!(locks.take(1, LockMode::Shared).await.unwrap_err(), Refused::Share);
        drop(waiting);
        drop(first);
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
