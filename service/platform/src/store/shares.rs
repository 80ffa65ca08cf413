//! How many connections one tenant may have at once.
//!
//! Without a share, forty requests that wait for one tenant's row hold every connection there is. Whoever has used up its
//! share waits in a line of its own, outside the pool, and holds up nobody. Beyond their shares there are a few that are spare, for
//! whichever tenant asks first: one alone is not held to its share of an idle pool. All tenants together leave some to the platform, so that
//! `/ready` and operators are answered whatever tenants do. On SQLite the share of the writer is a place in its queue: a
//! neighbour waits for as many transactions as there are busy tenants, not for all of theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use uuid::Uuid;

/// How long a transaction waits for a permit of its tenant.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Transactions of one tenant that wait for a permit; more are refused at once.
const WAITING_MAX: usize = 512;
/// Lines that are kept although nobody stands in them, until the next look.
const IDLE_MAX: usize = 1_024;

/// Who shares connections with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// One tenant.
    Tenant(Uuid),
    /// The platform: operators, schedulers.
    Platform,
}

/// The shares of one pool.
#[derive(Debug)]
pub(crate) struct Shares {
    tenant: usize,
    platform: usize,
    common: Common,
    patience: Duration,
    lines: Mutex<HashMap<Holder, Arc<Line>>>,
}

/// What tenants have together, for reading and for writing.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// Connections beside each one's own share.
    spare: Arc<Semaphore>,
    /// Connections of all tenants; `None`: as many as their shares allow.
    all: Option<Arc<Semaphore>>,
}

impl Common {
    /// `spare` connections for whichever tenant asks first, and `all` for all tenants.
    pub(crate) fn new(spare: usize, all: usize) -> Self {
        Self { spare: Arc::new(Semaphore::new(spare)), all: Some(Arc::new(Semaphore::new(all.max(1)))) }
    }

    fn nothing() -> Self {
        Self { spare: Arc::new(Semaphore::new(0)), all: None }
    }
}

/// Those who wait for the same share.
#[derive(Debug)]
pub(crate) struct Line {
    permits: Arc<Semaphore>,
    common: Common,
    /// Counts down to zero with those who wait.
    places: Semaphore,
    patience: Duration,
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// Too many wait already.
    #[error("too many wait in this line for the store")]
    Line,
    /// It took too long.
    #[error("the store is busy with others of this line")]
    Time,
}

/// A permit; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _own: OwnedSemaphorePermit,
    _of_all: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// At most `tenant` connections at once for each tenant, and `platform` for the platform.
    pub(crate) fn new(tenant: usize, platform: usize) -> Self {
        let (tenant, platform) = (tenant.max(1), platform.max(1));
        Self {
            tenant,
            platform,
            common: Common::nothing(),
            patience: PERMIT_TIMEOUT,
            lines: Mutex::default(),
        }
    }

    /// The same with what tenants have together, here and in other shares of the same pool.
    pub(crate) fn with(self, common: &Common) -> Self {
        Self { common: common.clone(), ..self }
    }

    fn line(&self, holder: Holder) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() > IDLE_MAX {
            // Whoever stands in a line holds it too.
            lines.retain(|_, line| Arc::strong_count(line) > 1 || Arc::strong_count(&line.permits) > 1);
        }
        let new = || {
            let line = match holder {
                Holder::Tenant(_) => Line { common: self.common.clone(), ..Line::new(self.tenant) },
                Holder::Platform => Line::new(self.platform),
            };
            Arc::new(Line { patience: self.patience, ..line })
        };
        lines.entry(holder).or_insert_with(new).clone()
    }

    /// Waits for a permit of `holder`.
    pub(crate) async fn acquire(&self, holder: Holder) -> Result<Permit, Crowded> {
        self.line(holder).acquire().await
    }
}

impl Line {
    /// A line in which `share` have a permit at once.
    pub(crate) fn new(share: usize) -> Self {
        let (permits, places) = (Arc::new(Semaphore::new(share)), Semaphore::new(WAITING_MAX));
        Self { permits, common: Common::nothing(), places, patience: PERMIT_TIMEOUT }
    }

    /// Waits for a permit.
    pub(crate) async fn acquire(&self) -> Result<Permit, Crowded> {
        let permit = async {
            let own = tokio::select! {
                biased;
                own = self.permits.clone().acquire_owned() => own?,
                own = self.common.spare.clone().acquire_owned() => own?,
            };
            let of_all = match &self.common.all {
                Some(all) => Some(all.clone().acquire_owned().await?),
                None => None,
            };
            Ok::<_, AcquireError>(Permit { _own: own, _of_all: of_all })
        };
        tokio::pin!(permit);
        if let Some(Ok(permit)) = permit.as_mut().now_or_never() {
            return Ok(permit);
        }
        let _place = self.places.try_acquire().map_err(|_| Crowded::Line)?;
        match timeout(self.patience, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Crowded::Time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_tenant_uses_up_its_own_share_only() {
        let shares = Shares { patience: Duration::from_millis(20), ..Shares::new(2, 3) };
        let (one, other) = (Holder::Tenant(Uuid::from_u128(1)), Holder::Tenant(Uuid::from_u128(2)));
        let held = [shares.acquire(one).await.unwrap(), shares.acquire(one).await.unwrap()];
        assert_eq!(shares.acquire(one).await.unwrap_err(), Crowded::Time);
        assert!(shares.acquire(other).await.is_ok());
        let mut platform = Vec::new();
        for _ in 0..3 {
            platform.push(shares.acquire(Holder::Platform).await.unwrap());
        }
        assert_eq!(shares.acquire(Holder::Platform).await.unwrap_err(), Crowded::Time);
        drop((held, platform));
        assert!(shares.acquire(one).await.is_ok() && shares.acquire(Holder::Platform).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_spare_is_for_any_tenant_and_nobodys_share_is_touched() {
        let common = Common::new(2, 9);
        let make = || Shares { patience: Duration::from_millis(20), ..Shares::new(1, 1) }.with(&common);
        let (reads, writes) = (make(), make());
        let (one, other) = (Holder::Tenant(Uuid::from_u128(1)), Holder::Tenant(Uuid::from_u128(2)));
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(writes.acquire(one).await.unwrap());
            held.push(reads.acquire(one).await.unwrap());
        }
        assert_eq!(writes.acquire(one).await.unwrap_err(), Crowded::Time);
        let others = writes.acquire(other).await.unwrap();
        assert_eq!(writes.acquire(other).await.unwrap_err(), Crowded::Time);
        let platform = writes.acquire(Holder::Platform).await.unwrap();
        assert_eq!(writes.acquire(Holder::Platform).await.unwrap_err(), Crowded::Time);
        // Whoever waits takes the first that is given back, be it spare or its own.
        let waiting = async { writes.acquire(other).await.is_ok() };
        let (came, ()) = tokio::join!(waiting, async { drop(held) });
        assert!(came);
        drop((others, platform));
    }

    #[tokio::test]
    async fn all_tenants_together_leave_some_to_the_platform() {
        let common = Common::new(1, 2);
        let shares = Shares { patience: Duration::from_millis(20), ..Shares::new(1, 1) }.with(&common);
        let tenant = |number| Holder::Tenant(Uuid::from_u128(number));
        let held = [shares.acquire(tenant(1)).await.unwrap(), shares.acquire(tenant(2)).await.unwrap()];
        assert_eq!(shares.acquire(tenant(3)).await.unwrap_err(), Crowded::Time);
        assert!(shares.acquire(Holder::Platform).await.is_ok());
        drop(held);
        assert!(shares.acquire(tenant(3)).await.is_ok());
    }

    #[tokio::test]
    async fn a_line_is_bounded_and_forgotten_when_empty() {
        let shares = Arc::new(Shares::new(1, 1));
        let one = Holder::Tenant(Uuid::from_u128(1));
        let held = shares.acquire(one).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..WAITING_MAX {
            let shares = shares.clone();
            waiting.push(tokio::spawn(async move { shares.acquire(one).await.map(drop) }));
        }
        while shares.line(one).places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(shares.acquire(one).await.unwrap_err(), Crowded::Line);
        drop(held);
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap(), Ok(()));
        }
        for number in 0..(2 * IDLE_MAX as u128) {
            drop(shares.acquire(Holder::Tenant(Uuid::from_u128(number))).await.unwrap());
        }
        assert!(shares.lines.lock().unwrap().len() <= IDLE_MAX + 1);
    }
}
