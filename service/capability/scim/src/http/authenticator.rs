//! SCIM tokens are recognised.

use std::sync::Arc;

use entity::scim::states::{DryRunStatus, TokenKind, TokenProfile, TokenState, TokenVerb};
use entity::tenancy::status::{Asks, Status};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;
use platform::crypto::{BearerSecret, SecretKind, StoredSecret};
use platform::remembered::Remembered;
use platform::{Ctx, Timestamp, Work as _};
use policy_core::Role;
use uuid::Uuid;
use web::{Authenticator, Code, CredentialKind, Denied, Principal, Problem, Service, TenantService, Tools};

use crate::PREFIX;
use crate::codes;
use crate::lookup::by_token;
use crate::oauth::AccessToken;
use crate::store;

/// A token's `last_used_at` is written at most this often, in seconds.
const LAST_USED_GRAIN: i64 = 60;

/// Recognises SCIM tokens. A row is believed for a second: the time in which a revocation or suspension reaches other processes.
#[derive(Debug, Default)]
pub struct Tokens {
    rows: Remembered<Found>,
}

#[derive(Debug)]
struct Found {
    tenant: Uuid,
    organization: Uuid,
    kind: TokenKind,
    secret_hash: String,
    secret_mac: Option<Vec<u8>>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    profile: TokenProfile,
    allowed_addresses: Arc<[IpNet]>,
    /// The copy on which it makes its dry run, and whether it is there yet.
    dry_run: Option<(Uuid, bool)>,
    status: Status,
    rate_multiplier: u32,
}

/// What was presented: a token itself, or a short-lived one that a client got for its secret or key.
enum Presented {
    Secret(BearerSecret),
    Access(AccessToken),
}

impl Presented {
    fn parse(tools: &Tools, bearer: &str) -> Option<Self> {
        match AccessToken::open(tools, bearer) {
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
        self.rows.forget_all();
    }

    async fn recognise(&self, service: &Service, bearer: &str) -> Result<Principal, Denied> {
        let invalid = || Denied::from(Problem::new(Code::AUTH_INVALID));
        let presented = Presented::parse(service, bearer).ok_or_else(invalid)?;
        let id = presented.id();
        let token = self.rows.get(id, load(service, id)).await?.ok_or_else(invalid)?;
        let theirs = |refused: Denied| refused.at(token.tenant, Some(token.organization));
        let now = service.clock.now();
        let state = TokenState::of(token.revoked_at, token.expires_at, None, now);
        if state.after(TokenVerb::Use).is_none() {
            return Err(theirs(invalid()));
        }
        let missing_mac = match (&presented, token.kind) {
            (Presented::Secret(_), TokenKind::Bearer) => {
                let (hash, mac) = (&token.secret_hash, token.secret_mac.as_deref());
                let stored = StoredSecret { kind: SecretKind::ScimToken, id, hash, mac };
                let found = service.secrets.recognise(bearer, stored).await?;
                found.right().ok_or_else(|| theirs(invalid()))?
            }
            (Presented::Access(access), TokenKind::Client) if access.until > now.timestamp() => None,
            (Presented::Secret(_), TokenKind::Client) | (Presented::Access(_), _) => {
                return Err(theirs(invalid()));
            }
        };
        let usable = token.usable();
        let is_due = token.last_used_at.is_none_or(|last| (now - last).num_seconds() >= LAST_USED_GRAIN);
        if usable.is_ok() && (is_due || missing_mac.is_some()) {
            let tenant = service.of(token.tenant);
            self.rows.record_use(id, async move { touch(&tenant, id, missing_mac).await }).await;
        }
        if let Err(problem) = usable {
            // Who waits for the end of this state isn't kept waiting any longer.
            self.rows.forget(id).await;
            return Err(Denied { credential: Some(id), ..theirs(problem.into()) });
        }
        Ok(Principal {
            kind: CredentialKind::ScimToken,
            id,
            role: Role::Service,
            tenant: Some(token.tenant),
            organization: Some(token.organization),
            rate_multiplier: Some(token.rate_multiplier),
            compat: token.profile == TokenProfile::Compat,
            addresses: token.allowed_addresses.clone(),
            dry_run: token.dry_run.map(|(shadow, _)| shadow),
        })
    }
}

impl Found {
    /// Whether its tenant and its copy are in a state in which it counts.
    fn usable(&self) -> Result<(), Problem> {
        self.status.admits(Asks::Directories)?;
        match self.dry_run {
            Some((_, false)) => {
                Err(Problem { retry_after: Some(1), ..Problem::new(codes::DRY_RUN_PREPARING) })
            }
            Some((_, true)) | None => Ok(()),
        }
    }
}

async fn load(service: &Service, id: Uuid) -> Result<Option<Found>, Problem> {
    let Some(tenant) = service.db.tenant_of(by_token(id)).await? else { return Ok(None) };
    Ok(find(&service.of(tenant), id).await?)
}

async fn find(service: &TenantService, id: Uuid) -> Result<Option<Found>, platform::DbError> {
    let found = service.db.read(async |view| store::tokens::with_tenant(view, id).await).await?;
    let Some(row) = found else { return Ok(None) };
    let dry_run: bool = row.try_get("", "rehearsal")?;
    let shadow: Option<Uuid> = row.try_get("", "shadow_id")?;
    let status: Option<DryRunStatus> = row.try_get("", "rehearsal_status")?;
    let ranges: serde_json::Value = row.try_get("", "allowed_addresses")?;
    // They were checked when they were set. None would mean: from everywhere.
    let unreadable = |error: serde_json::Error| sea_orm::DbErr::Json(error.to_string());
    let ranges: Vec<IpNet> = serde_json::from_value(ranges).map_err(unreadable)?;
    Ok(Some(Found {
        tenant: service.db.tenant(),
        organization: row.try_get("", "organization_id")?,
        kind: row.try_get("", "kind")?,
        secret_hash: row.try_get("", "secret_hash")?,
        secret_mac: row.try_get("", "secret_mac")?,
        expires_at: row.try_get("", "expires_at")?,
        revoked_at: row.try_get("", "revoked_at")?,
        last_used_at: row.try_get("", "last_used_at")?,
        profile: row.try_get("", "profile")?,
        allowed_addresses: ranges.into(),
        // A token that makes a dry run never works on the real directory, whatever became of its copy.
        dry_run: dry_run.then(|| (shadow.unwrap_or_default(), status == Some(DryRunStatus::Ready))),
        status: row.try_get("", "status")?,
        rate_multiplier: tenancy::rate_multiplier(row.try_get("", "rate_multiplier")?),
    }))
}

/// Notes the use, and the HMAC that a token from before lacks.
async fn touch(service: &TenantService, id: Uuid, mac: Option<Vec<u8>>) {
    let write = async |tx: &mut platform::Tx| {
        tx.housekeeping();
        store::tokens::record_use(tx, id, mac).await
    };
    // Nobody's request fails for a statistic.
    let _ = service.db.write(&Ctx::system("scim tokens"), write).await;
}

impl Authenticator for Tokens {
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Denied>> {
        self.recognise(service, bearer).boxed_local()
    }
}
