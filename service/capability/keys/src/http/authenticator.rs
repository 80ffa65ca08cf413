//! Recognises management keys, for the gate.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::crypto::{BearerSecret, SecretKind, StoredSecret, same};
use platform::remembered::Remembered;
use secrecy::ExposeSecret as _;
use uuid::Uuid;
use web::{Authenticator, Code, CredentialKind, Denied, PlatformService, Principal, Problem, Service};

use crate::PREFIX;
use crate::ops::{Found, bootstrap_id, find, touch};

/// A key's `last_used_at` is written at most this often.
const LAST_USED_GRAIN: i64 = 60;

/// Recognises management keys. A row is believed for a second: the time in which a revocation reaches other processes.
#[derive(Debug, Default)]
pub struct Keys {
    rows: Remembered<Found>,
}

impl Keys {
    /// Forgets all: a key was revoked here.
    pub fn forget(&self) {
        self.rows.forget_all();
    }

    async fn recognise(&self, service: &PlatformService, bearer: &str) -> Result<Principal, Denied> {
        let invalid = || Denied::from(Problem::new(Code::AUTH_INVALID));
        let configured = service.config.secrets.bootstrap_key.expose_secret();
        let id = if !configured.is_empty() && same(configured.as_bytes(), bearer.as_bytes()) {
            bootstrap_id(service, bearer)
        } else {
            BearerSecret::parse(PREFIX, bearer).ok_or_else(invalid)?.id
        };
        let load = async { service.db.read(async |view| find(view, id).await).await.map_err(Problem::from) };
        let found = self.rows.get(id, load).await?.ok_or_else(invalid)?;
        let (key, now) = (&found.key, service.clock.now());
        let theirs = |refused: Denied| Denied { tenant: key.tenant_id, ..refused };
        if found.is_over(now) {
            return Err(theirs(invalid()));
        }
        let (hash, mac) = (&key.secret_hash, key.secret_mac.as_deref());
        let stored = StoredSecret { kind: SecretKind::ManagementKey, id, hash, mac };
        let missing_mac = service.secrets.recognise(bearer, stored).await.map_err(Problem::from)?;
        let missing_mac = missing_mac.right().ok_or_else(|| theirs(invalid()))?;
        let rate_multiplier = match found.usable() {
            Ok(multiplier) => multiplier,
            Err(unusable) => {
                // Who waits for the end of this state isn't kept waiting any longer.
                self.rows.forget(id).await;
                return Err(Denied { credential: Some(id), ..theirs(Problem::from(unusable).into()) });
            }
        };
        let is_due = key.last_used_at.is_none_or(|last| (now - last).num_seconds() >= LAST_USED_GRAIN);
        if is_due || missing_mac.is_some() {
            let service = service.clone();
            self.rows.record_use(id, async move { touch(&service, id, missing_mac).await }).await;
        }
        Ok(Principal {
            addresses: Arc::default(),
            dry_run: None,
            kind: CredentialKind::Key,
            id,
            role: key.role.0,
            tenant: key.tenant_id,
            organization: None,
            rate_multiplier,
            compat: true,
        })
    }
}

impl Authenticator for Keys {
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Denied>> {
        self.recognise(service, bearer).boxed_local()
    }

    fn is_live<'a>(
        &'a self,
        service: &'a Service,
        _: CredentialKind,
        id: Uuid,
    ) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        async move {
            let now = service.clock.now();
            let found = service.db.read_platform(async |view| find(view, id).await).await?;
            match found.filter(|found| !found.is_over(now)) {
                Some(found) => Ok(found.usable().map(|_| true)?),
                None => Ok(false),
            }
        }
        .boxed_local()
    }
}
