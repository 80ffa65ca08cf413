//! Rows that are asked for over and over, remembered for a moment; however many ask for one at once, the store is asked once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

/// How long a row is believed: the time in which a change reaches other processes.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Rows remembered at once.
const REMEMBERED_MAX: u64 = 10_000;

/// How long a request waits until its use is written down.
const PATIENCE: Duration = Duration::from_millis(50);
/// Uses that wait to be written down at once: fewer than may wait for the writer, where they stand beside what can't be left out.
const USES_MAX: usize = 64;

/// Rows by their ids, those that aren't there included.
#[derive(Debug)]
pub struct Remembered<T: Send + Sync + 'static> {
    rows: Cache<Uuid, Option<Arc<T>>>,
    /// Rows whose use is being written down.
    used: Arc<Mutex<HashSet<Uuid>>>,
}

/// That the use of a row is being written down; over when dropped.
struct Use {
    id: Uuid,
    all: Arc<Mutex<HashSet<Uuid>>>,
}

impl Use {
    /// `None` if it is already being written down, or too many others are.
    fn begin(all: &Arc<Mutex<HashSet<Uuid>>>, id: Uuid) -> Option<Self> {
        let mut under_way = all.lock().unwrap_or_else(PoisonError::into_inner);
        (under_way.len() < USES_MAX && under_way.insert(id)).then(|| Self { id, all: all.clone() })
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl<T: Send + Sync + 'static> Default for Remembered<T> {
    fn default() -> Self {
        let rows = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        Self { rows, used: Arc::default() }
    }
}

impl<T: Send + Sync + 'static> Remembered<T> {
    /// The row, by `load` where nobody asked within the last second. A failure is everybody's who waited for it, and isn't
    /// remembered.
    ///
    /// # Errors
    /// What `load` answers.
    pub async fn get<E>(
        &self,
        id: Uuid,
        load: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<Arc<T>>, E>
    where
        E: Clone + Send + Sync + 'static,
    {
        let load = async { load.await.map(|row| row.map(Arc::new)) };
        self.rows.try_get_with(id, load).await.map_err(Arc::unwrap_or_clone)
    }

    /// Has `statistic` write down that a row was used, once however many requests use it meanwhile, and forgets the row then. Mostly
    /// that is done before the request goes on; where the writer is busy with somebody's large change, the request doesn't wait for it.
    pub async fn record_use(&self, id: Uuid, statistic: impl Future<Output = ()> + 'static) {
        let Some(under_way) = Use::begin(&self.used, id) else { return };
        let rows = self.rows.clone();
        let writing = tokio::task::spawn_local(async move {
            statistic.await;
            rows.invalidate(&id).await;
            drop(under_way);
        });
        let _ = tokio::time::timeout(PATIENCE, writing).await;
    }

    /// Forgets one row: it was changed here.
    pub async fn forget(&self, id: Uuid) {
        self.rows.invalidate(&id).await;
    }

    /// Forgets all rows: something was changed here that bears on many.
    pub fn forget_all(&self) {
        self.rows.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_crowd_asks_once_and_a_failure_is_not_remembered() {
        let rows = Remembered::<u32>::default();
        assert_eq!(rows.rows.policy().time_to_live(), Some(REMEMBERED));
        assert_eq!(rows.rows.policy().max_capacity(), Some(REMEMBERED_MAX));
        let (id, loads) = (Uuid::from_u128(1), AtomicU32::new(0));
        let load = |answer: Result<Option<u32>, &'static str>| {
            let loads = &loads;
            async move {
                loads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                answer
            }
        };
        assert_eq!(rows.get(id, load(Err("down"))).await, Err("down"));
        let all = futures_util::future::join_all((0..100).map(|_| rows.get(id, load(Ok(Some(7)))))).await;
        assert!(all.into_iter().all(|one| one == Ok(Some(Arc::new(7)))));
        assert_eq!(loads.load(Ordering::Relaxed), 2);
        rows.forget(id).await;
        assert_eq!(rows.get(id, load(Ok(None))).await, Ok(None));
        rows.forget_all();
        assert_eq!(rows.get(id, load(Ok(Some(8)))).await, Ok(Some(Arc::new(8))));
        assert_eq!(loads.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_crowd_writes_down_one_use_and_all_ids_a_bounded_number() {
        let (rows, written) = (Remembered::<u32>::default(), Arc::new(AtomicU32::new(0)));
        let (open, opened) = tokio::sync::watch::channel(false);
        let one = |id: u128| {
            let (written, mut opened) = (written.clone(), opened.clone());
            rows.record_use(Uuid::from_u128(id), async move {
                written.fetch_add(1, Ordering::Relaxed);
                opened.wait_for(|open| *open).await.unwrap();
            })
        };
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                futures_util::future::join_all((0..100).map(|_| one(1))).await;
                assert_eq!(written.load(Ordering::Relaxed), 1);
                futures_util::future::join_all((0..1_000).map(one)).await;
                assert_eq!(written.load(Ordering::Relaxed), 64);
                assert_eq!(rows.used.lock().unwrap().len(), USES_MAX);
            })
            .await;
        open.send(true).unwrap();
        local.await;
        assert!(rows.used.lock().unwrap().is_empty());
    }
}
