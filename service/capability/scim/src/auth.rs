//! SCIM tokens are recognised.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use moka::sync::Cache;
use platform::crypto::{BearerSecret, sha256};
use platform::db::Lookup;
use platform::{Ctx, Timestamp, Work as _};
use policy_core::Role;
use uuid::Uuid;
use web::{Authenticator, Code, Principal, Problem, Service};

use crate::PREFIX;

/// How long a recognised token is remembered: the time in which a revocation or suspension reaches other processes.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Tokens remembered at once.
const REMEMBERED_MAX: u64 = 10_000;
/// A token's `last_used_at` is written at most this often, in seconds.
const LAST_USED_GRAIN: i64 = 60;

/// Recognises SCIM tokens.
#[derive(Debug)]
pub struct Tokens {
    remembered: Cache<[u8; 32], Principal>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { remembered: Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build() }
    }
}

struct Found {
    organization: Uuid,
    secret_hash: String,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    profile: String,
    status: String,
    rate_multiplier: i64,
}

impl Tokens {
    /// Forgets all: a token was revoked here, or a tenant suspended.
    pub fn forget(&self) {
        self.remembered.invalidate_all();
    }

    async fn recognise(&self, service: &Service, bearer: &str) -> Result<Principal, Problem> {
        let invalid = || Problem::new(Code::AuthInvalid);
        let digest = sha256(bearer.as_bytes());
        if let Some(principal) = self.remembered.get(&digest) {
            return Ok(principal);
        }
        let secret = BearerSecret::parse(PREFIX, bearer).ok_or_else(invalid)?;
        let tenant = service.db.tenant_of(Lookup::ScimToken(secret.id)).await?.ok_or_else(invalid)?;
        let token = find(service, tenant, secret.id).await?.ok_or_else(invalid)?;
        let now = service.db.clock().now();
        if token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= now) {
            return Err(invalid());
        }
        if !service.hasher.verify(bearer, &token.secret_hash).await? {
            return Err(invalid());
        }
        match token.status.as_str() {
            "active" => {}
            "suspended" => return Err(Problem::new(Code::TenantSuspended)),
            _ => return Err(invalid()),
        }
        if token.last_used_at.is_none_or(|last| (now - last).num_seconds() >= LAST_USED_GRAIN) {
            touch(service, tenant, secret.id).await;
        }
        let principal = Principal {
            kind: "scim_token",
            id: secret.id,
            role: Role::Service,
            tenant: Some(tenant),
            organization: Some(token.organization),
            rate_multiplier: Some(u32::try_from(token.rate_multiplier).unwrap_or(1)),
            compat: token.profile != "rfc",
        };
        self.remembered.insert(digest, principal.clone());
        Ok(principal)
    }
}

async fn find(service: &Service, tenant: Uuid, id: Uuid) -> Result<Option<Found>, platform::DbError> {
    let sql = "SELECT t.organization_id, t.secret_hash, t.expires_at, t.revoked_at, t.last_used_at, t.profile, n.status, \
               p.rate_multiplier FROM scim_token t JOIN tenant n ON n.id = t.tenant_id JOIN plan p ON p.key = n.plan \
               WHERE t.tenant_id = $1 AND t.id = $2";
    let rows = service.db.read(tenant, async |view| view.query(sql, vec![id.into()]).await).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Found {
        organization: row.try_get("", "organization_id")?,
        secret_hash: row.try_get("", "secret_hash")?,
        expires_at: row.try_get("", "expires_at")?,
        revoked_at: row.try_get("", "revoked_at")?,
        last_used_at: row.try_get("", "last_used_at")?,
        profile: row.try_get("", "profile")?,
        status: row.try_get("", "status")?,
        rate_multiplier: row.try_get("", "rate_multiplier")?,
    }))
}

async fn touch(service: &Service, tenant: Uuid, id: Uuid) {
    let write = async |tx: &mut platform::Tx| {
        tx.housekeeping();
        let sql = "UPDATE scim_token SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2";
        tx.execute(sql, vec![id.into(), tx.now().into()]).await
    };
    // Nobody's request fails for a statistic.
    let _ = service.db.write(&Ctx::system("scim tokens"), tenant, write).await;
}

impl Authenticator for Tokens {
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Problem>> {
        self.recognise(service, bearer).boxed_local()
    }
}
