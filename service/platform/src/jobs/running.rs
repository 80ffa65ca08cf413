//! The jobs that run in this process: which class they are of, whether they wait for an answer from outside, whether their lease holds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::class::{self, Class, Closed, Load};

tokio::task_local! {
    /// The place of the job that this task runs.
    static PLACE: Arc<Waiting>;
}

/// Whether a job waits outside: how many of its requests are under way.
#[derive(Debug)]
struct Waiting {
    class: Class,
    requests: AtomicUsize,
    running: Running,
}

/// Counts one request for as long as it is under way, also if nobody waits for it any more.
struct UnderWay(Arc<Waiting>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.running.count(self.0.class, |load| load.outside = load.outside.saturating_sub(1));
        }
    }
}

/// Waits for an answer from outside; the job that asks has given its place to another meanwhile. Outside of a job, only waits.
pub async fn outside<T>(request: impl Future<Output = T>) -> T {
    let under_way = PLACE.try_with(|place| {
        if place.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            place.running.count(place.class, |load| load.outside += 1);
            place.running.inner.changed.notify_one();
        }
        UnderWay(place.clone())
    });
    let answer = request.await;
    drop(under_way);
    answer
}

/// All jobs that run in this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    inner: Arc<Inner>,
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Inner {
    loads: Mutex<BTreeMap<Class, Load>>,
    /// Dropped when the lease is lost.
    leases: Mutex<HashMap<Lease, oneshot::Sender<()>>>,
    /// A job ended, or went outside.
    changed: Notify,
}

/// One claim of a job. The number of the attempt would not do: an operator's retry begins it anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    pub(super) job: Uuid,
    /// What no other claim has as `lease_owner`.
    pub(super) owner: String,
}

/// A job's place, for as long as it runs.
#[derive(Debug)]
pub(super) struct Place {
    lease: Lease,
    class: Class,
    lost: oneshot::Receiver<()>,
    running: Running,
}

impl Running {
    /// An attempt of a job begins.
    pub(super) fn begin(&self, lease: Lease, class: Class) -> Place {
        let (held, lost) = oneshot::channel();
        lock(&self.inner.leases).insert(lease.clone(), held);
        self.count(class, |load| load.running += 1);
        metrics::gauge!("tenantry_jobs_running", "class" => class.name()).increment(1.0);
        Place { lease, class, lost, running: self.clone() }
    }

    /// Which classes take no further job for now.
    pub(super) fn closed(&self, at_once: usize) -> Closed {
        class::closed(at_once, &lock(&self.inner.loads))
    }

    /// Resolves when a job has ended or gone outside since the last time.
    pub(super) async fn changed(&self) {
        self.inner.changed.notified().await;
    }

    /// The leases that are to be renewed.
    pub(super) fn leases(&self) -> Vec<Lease> {
        lock(&self.inner.leases).keys().cloned().collect()
    }

    /// Of `asked`, those that are not among the owners `held` any more are lost: somebody else has their jobs now. An attempt that began
    /// meanwhile was not asked for.
    pub(super) fn lose(&self, asked: &[Lease], held: &HashSet<String>) {
        let mut leases = lock(&self.inner.leases);
        for lease in asked.iter().filter(|lease| !held.contains(&lease.owner)) {
            leases.remove(lease);
        }
    }

    fn count(&self, class: Class, change: impl FnOnce(&mut Load)) {
        change(lock(&self.inner.loads).entry(class).or_default());
    }
}

impl Place {
    /// Runs an attempt as this job's; `None` if the lease was lost meanwhile.
    pub(super) async fn run<T>(&mut self, attempt: impl Future<Output = T>) -> Option<T> {
        let waiting =
            Waiting { class: self.class, requests: AtomicUsize::new(0), running: self.running.clone() };
        tokio::select! {
            result = PLACE.scope(Arc::new(waiting), attempt) => Some(result),
            _ = &mut self.lost => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.running.inner.leases).remove(&self.lease);
        self.running.count(self.class, |load| load.running = load.running.saturating_sub(1));
        metrics::gauge!("tenantry_jobs_running", "class" => self.class.name()).decrement(1.0);
        self.running.inner.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(running: &Running) -> (usize, usize) {
        let load = lock(&running.inner.loads).get(&Class::Delivery).copied().unwrap_or_default();
        (load.running, load.outside)
    }

    fn lease(job: u128, owner: &str) -> Lease {
        Lease { job: Uuid::from_u128(job), owner: owner.to_owned() }
    }

    #[tokio::test]
    async fn a_job_that_asks_several_at_once_is_outside_once_until_the_last_has_answered() {
        let running = Running::default();
        let mut place = running.begin(lease(0, "a"), Class::Delivery);
        let seen = running.clone();
        place
            .run(async {
                assert_eq!(load(&seen), (1, 0));
                let (send, answer) = oneshot::channel::<()>();
                let slow = outside(async {
                    answer.await.unwrap();
                    assert_eq!(load(&seen), (1, 1));
                });
                let quick = async {
                    outside(async { assert_eq!(load(&seen), (1, 1)) }).await;
                    assert_eq!(load(&seen), (1, 1), "the other one is under way");
                    send.send(()).unwrap();
                };
                tokio::join!(slow, quick);
                assert_eq!(load(&seen), (1, 0));
                // Given up before it answered.
                let gone =
                    tokio::time::timeout(std::time::Duration::ZERO, outside(std::future::pending::<()>()));
                gone.await.unwrap_err();
                assert_eq!(load(&seen), (1, 0));
            })
            .await
            .unwrap();
        drop(place);
        assert_eq!(load(&running), (0, 0));
    }

    #[tokio::test]
    async fn a_job_ends_when_somebody_else_has_its_lease() {
        let running = Running::default();
        let (mine, other) = (lease(1, "a"), lease(2, "b"));
        let (mut place, mut lost) =
            (running.begin(mine.clone(), Class::Mail), running.begin(other.clone(), Class::Mail));
        running.lose(&[mine.clone(), other], &HashSet::from([mine.owner.clone()]));
        assert_eq!(lost.run(std::future::pending::<()>()).await, None);
        assert_eq!(place.run(async { 7 }).await, Some(7));
        assert_eq!(running.leases(), [lease(1, "a")]);
        // A claim before, whose outcome is not recorded yet, takes nothing of this one with it.
        let mut again = running.begin(lease(1, "c"), Class::Mail);
        drop(place);
        assert_eq!(again.run(async { 7 }).await, Some(7));
        assert_eq!(running.leases(), [lease(1, "c")]);
        running.lose(&[mine], &HashSet::new());
        assert_eq!(running.leases(), [lease(1, "c")]);
    }
}
