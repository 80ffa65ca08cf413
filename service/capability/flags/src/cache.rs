//! What evaluation needs, in memory: no query is in the way of a flag. It forgets when it hears of a change: of this process at the commit, of
//! other replicas when the change is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use entity::tenancy::tenant;
use flags_core::Flags;
use moka::sync::Cache;
use platform::db::{Listener, Lookup, TenantDb};
use platform::event::Event as _;
use platform::{DbError, View};
use tenancy::TenantUpdated;
use tokio::sync::broadcast;
use uuid::Uuid;
use web::{PlatformCaller, TenantCaller};

use crate::error::Error;
use crate::evaluation::{self, Own};
use crate::ops::{FlagChanged, OverrideChanged};

/// Names of tenants remembered.
const TENANTS_MAX: u64 = 50_000;
/// Tenants remembered, and their own variants: who has a thousand of these counts as much as a thousand who have none.
const TENANTS_AND_OVERRIDES_MAX: u64 = 200_000;
/// For so long, should ever a change not be heard of.
const CACHE_TTL: Duration = Duration::from_secs(60);
/// Changes that a stream may be behind before it is told only that there were some.
const BEHIND_MAX: usize = 256;

/// A tenant that is active, and its own variants.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) tenant: tenant::Model,
    pub(crate) own: Own,
}

/// Flags at hand, and who wants to hear that they changed.
#[derive(Debug)]
pub struct Evaluator {
    flags: RwLock<Option<Arc<Flags>>>,
    tenants: Cache<Uuid, Arc<Known>>,
    names: Cache<String, Uuid>,
    /// Rises with every change: what was read before one is not kept after it.
    changes: AtomicU64,
    changed: broadcast::Sender<Option<Uuid>>,
}

impl Default for Evaluator {
    fn default() -> Self {
        Self {
            flags: RwLock::default(),
            tenants: Cache::builder()
                .max_capacity(TENANTS_AND_OVERRIDES_MAX)
                .weigher(|_, known: &Arc<Known>| weight(&known.own))
                .time_to_live(CACHE_TTL)
                .build(),
            names: Cache::builder().max_capacity(TENANTS_MAX).time_to_live(CACHE_TTL).build(),
            changes: AtomicU64::new(0),
            changed: broadcast::Sender::new(BEHIND_MAX),
        }
    }
}

/// A tenant, and each variant of its own.
fn weight(own: &Own) -> u32 {
    u32::try_from(own.len()).unwrap_or(u32::MAX).saturating_add(1)
}

impl Listener for Evaluator {
    fn hear(&self, kind: &str, tenant: Option<Uuid>) {
        let overrides = kind == OverrideChanged::TYPE.name;
        let of_tenant = overrides || TenantUpdated::TYPE.shares_noun_with(kind);
        match tenant {
            _ if kind == FlagChanged::TYPE.name => {
                self.changes.fetch_add(1, Ordering::AcqRel);
                *self.flags.write().unwrap_or_else(PoisonError::into_inner) = None;
                let _ = self.changed.send(None);
            }
            Some(tenant) if of_tenant => {
                self.changes.fetch_add(1, Ordering::AcqRel);
                self.tenants.invalidate(&tenant);
                if !overrides {
                    self.names.invalidate_all();
                }
                let _ = self.changed.send(Some(tenant));
            }
            _ => {}
        }
    }
}

impl Evaluator {
    /// Hears of changes: of a tenant, or of all (`None`).
    pub(crate) fn listen(&self) -> broadcast::Receiver<Option<Uuid>> {
        self.changed.subscribe()
    }

    /// The tenant of an id, slug or external id.
    pub(crate) async fn tenant_named(
        &self,
        caller: &PlatformCaller,
        name: &str,
    ) -> Result<Option<TenantCaller>, DbError> {
        if let Ok(id) = Uuid::try_parse(name) {
            return Ok(Some(caller.within(id)));
        }
        if let Some(known) = self.names.get(name) {
            return Ok(Some(caller.within(known)));
        }
        let before = self.changes.load(Ordering::Acquire);
        let found = match caller.at(tenancy::by_external_id(name)).await? {
            Some(found) => Some(found),
            None => caller.at(Lookup::slug(name)).await?,
        };
        if let Some(found) = found.as_ref().filter(|_| before == self.changes.load(Ordering::Acquire)) {
            self.names.insert(name.to_owned(), found.tenant());
        }
        Ok(found)
    }

    /// All definitions, and what a tenant is.
    ///
    /// # Errors
    /// As `tenancy::active`.
    pub(crate) async fn of(&self, db: &TenantDb) -> Result<(Arc<Flags>, Arc<Known>), Error> {
        let tenant = db.tenant();
        let at_hand = self.flags.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(flags), Some(known)) = (&at_hand, self.tenants.get(&tenant)) {
            return Ok((flags.clone(), known));
        }
        let before = self.changes.load(Ordering::Acquire);
        let read = async |view: &View| {
            let flags = match at_hand {
                Some(flags) => flags,
                None => Arc::new(evaluation::definitions(view).await?),
            };
            let known = Known { tenant: tenancy::active(view).await?, own: evaluation::own(view).await? };
            Ok::<_, Error>((flags, Arc::new(known)))
        };
        let (flags, known) = db.read(read).await?;
        let mut cached = self.flags.write().unwrap_or_else(PoisonError::into_inner);
        if before == self.changes.load(Ordering::Acquire) {
            *cached = Some(flags.clone());
            self.tenants.insert(tenant, known.clone());
        }
        Ok((flags, known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_all_tenants_is_bounded() {
        let own: Own = (0..1_000).map(|at| (format!("flag-{at}"), "on".to_owned())).collect();
        assert_eq!((weight(&Own::new()), weight(&own)), (1, 1_001));
        assert_eq!(
            (TENANTS_AND_OVERRIDES_MAX, TENANTS_MAX, CACHE_TTL),
            (200_000, 50_000, Duration::from_secs(60))
        );
        let evaluator = Evaluator::default();
        let most = evaluator.tenants.policy().max_capacity();
        assert_eq!(most, Some(TENANTS_AND_OVERRIDES_MAX));
    }
}
