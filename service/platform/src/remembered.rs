//! Rows that are asked for over and over, remembered for a moment; however many ask for one at once, the store is asked once.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

/// How long a row is believed: the time in which a change reaches other processes.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Rows remembered at once.
const REMEMBERED_MAX: u64 = 10_000;

/// How long a request waits for a statistic that it caused.
const PATIENCE: Duration = Duration::from_millis(50);

/// Writes down that something was used. Mostly that is done before the request goes on; where the writer is busy with somebody's large
/// change, the request doesn't wait for it, and it is done later.
pub async fn write_down(statistic: impl Future<Output = ()> + 'static) {
    let writing = tokio::task::spawn_local(statistic);
    let _ = tokio::time::timeout(PATIENCE, writing).await;
}

/// Rows by their ids, those that aren't there included.
#[derive(Debug)]
pub struct Remembered<T: Send + Sync + 'static>(Cache<Uuid, Option<Arc<T>>>);

impl<T: Send + Sync + 'static> Default for Remembered<T> {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build())
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
        self.0.try_get_with(id, load).await.map_err(Arc::unwrap_or_clone)
    }

    /// Forgets one row: it was changed here.
    pub async fn forget(&self, id: Uuid) {
        self.0.invalidate(&id).await;
    }

    /// Forgets all rows: something was changed here that bears on many.
    pub fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_crowd_asks_once_and_a_failure_is_not_remembered() {
        let rows = Remembered::<u32>::default();
        assert_eq!(rows.0.policy().time_to_live(), Some(REMEMBERED));
        assert_eq!(rows.0.policy().max_capacity(), Some(REMEMBERED_MAX));
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
}
