//! SCIM tokens are recognised.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;
use moka::sync::Cache;
use platform::crypto::{BearerSecret, SecretKind, StoredSecret, sha256};
use platform::db::Lookup;
use platform::{Ctx, Timestamp, Work as _};
use policy_core::Role;
use uuid::Uuid;
use web::{Authenticator, Code, Principal, Problem, Service};

use crate::PREFIX;
use crate::oauth::AccessToken;

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
    kind: String,
    secret_hash: String,
    secret_mac: Option<Vec<u8>>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    profile: String,
    allowed_addresses: Vec<IpNet>,
    /// The copy on which it rehearses, and whether it is there yet.
    rehearsal: Option<(Uuid, bool)>,
    status: String,
    rate_multiplier: i64,
}

/// What was presented: a token itself, or a short-lived one that a client got for its secret or key.
enum Presented {
    Secret(BearerSecret),
    Access(AccessToken),
}

impl Presented {
    fn parse(service: &Service, bearer: &str) -> Option<Self> {
        match AccessToken::open(service, bearer) {
            Some(access) => Some(Presented::Access(access)),
            None => BearerSecret::parse(PREFIX, bearer).map(Presented::Secret),
        }
    }

    fn id(&self) -> Uuid {
        match self {
            Presented::Secret(secret) => secret.id,
            Presented::Access(access) => access.client,
        }
    }
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
        let presented = Presented::parse(service, bearer).ok_or_else(invalid)?;
        let id = presented.id();
        let tenant = service.db.tenant_of(Lookup::ScimToken(id)).await?.ok_or_else(invalid)?;
        let token = find(service, tenant, id).await?.ok_or_else(invalid)?;
        let now = service.db.clock().now();
        if token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= now) {
            return Err(invalid());
        }
        let missing_mac = match (&presented, token.kind.as_str()) {
            (Presented::Secret(_), "bearer") => {
                let (hash, mac) = (&token.secret_hash, token.secret_mac.as_deref());
                let stored = StoredSecret { kind: SecretKind::ScimToken, id, hash, mac };
                service.secrets.recognise(bearer, stored).await?.right().ok_or_else(invalid)?
            }
            (Presented::Access(access), "client") if access.until > now.timestamp() => None,
            _ => return Err(invalid()),
        };
        match token.status.as_str() {
            "active" => {}
            "suspended" => return Err(Problem::new(Code::TenantSuspended)),
            _ => return Err(invalid()),
        }
        let is_due = token.last_used_at.is_none_or(|last| (now - last).num_seconds() >= LAST_USED_GRAIN);
        if is_due || missing_mac.is_some() {
            touch(service, tenant, id, missing_mac).await;
        }
        if token.rehearsal.is_some_and(|(_, ready)| !ready) {
            return Err(Problem { retry_after: Some(1), ..Problem::new(Code::RehearsalPreparing) });
        }
        let principal = Principal {
            kind: "scim_token",
            id,
            role: Role::Service,
            tenant: Some(tenant),
            organization: Some(token.organization),
            rate_multiplier: Some(u32::try_from(token.rate_multiplier).unwrap_or(1)),
            compat: token.profile != "rfc",
            addresses: token.allowed_addresses.into(),
            rehearsal: token.rehearsal.map(|(shadow, _)| shadow),
        };
        self.remembered.insert(digest, principal.clone());
        Ok(principal)
    }
}

async fn find(service: &Service, tenant: Uuid, id: Uuid) -> Result<Option<Found>, platform::DbError> {
    let sql = "SELECT t.organization_id, t.kind, t.secret_hash, t.secret_mac, t.expires_at, t.revoked_at, t.last_used_at, t.profile, \
               t.allowed_addresses, t.rehearsal, r.shadow_id, r.status AS rehearsal_status, n.status, p.rate_multiplier \
               FROM scim_token t JOIN tenant n ON n.id = t.tenant_id JOIN plan p ON p.key = n.plan \
               LEFT JOIN scim_rehearsal r ON r.tenant_id = t.tenant_id AND r.organization_id = t.organization_id AND r.token_id = t.id \
               WHERE t.tenant_id = $1 AND t.id = $2";
    let rows = service.db.read(tenant, async |view| view.query(sql, vec![id.into()]).await).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let rehearses: bool = row.try_get("", "rehearsal")?;
    let shadow: Option<Uuid> = row.try_get("", "shadow_id")?;
    let status: Option<String> = row.try_get("", "rehearsal_status")?;
    let ranges: serde_json::Value = row.try_get("", "allowed_addresses")?;
    Ok(Some(Found {
        organization: row.try_get("", "organization_id")?,
        kind: row.try_get("", "kind")?,
        secret_hash: row.try_get("", "secret_hash")?,
        secret_mac: row.try_get("", "secret_mac")?,
        expires_at: row.try_get("", "expires_at")?,
        revoked_at: row.try_get("", "revoked_at")?,
        last_used_at: row.try_get("", "last_used_at")?,
        profile: row.try_get("", "profile")?,
        // They were checked when they were set.
        allowed_addresses: serde_json::from_value(ranges).unwrap_or_default(),
        // A token that rehearses never works on the real directory, whatever became of its copy.
        rehearsal: rehearses.then(|| (shadow.unwrap_or_default(), status.as_deref() == Some("ready"))),
        status: row.try_get("", "status")?,
        rate_multiplier: row.try_get("", "rate_multiplier")?,
    }))
}

/// Notes the use, and the HMAC that a token from before lacks.
async fn touch(service: &Service, tenant: Uuid, id: Uuid, mac: Option<Vec<u8>>) {
    let write = async |tx: &mut platform::Tx| {
        tx.housekeeping();
        let sql = "UPDATE scim_token SET last_used_at = $3, secret_mac = COALESCE(secret_mac, $4) \
                   WHERE tenant_id = $1 AND id = $2";
        tx.execute(sql, vec![id.into(), tx.now().into(), mac.into()]).await
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
