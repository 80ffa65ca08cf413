//! Keys: made, recognised, revoked.

use entity::by_name::ByName;
use entity::ids::TenantId;
use entity::keys::management_key::{Column, Entity, Model};
use entity::tenancy::status::{Asks, Status, Unusable};
use entity::tenancy::{plan, tenant};
use platform::crypto::{BearerSecret, HashError, SecretKind, SecretProof, id_of, sha256};
use platform::refusal::Invalid;
use platform::{DbError, PlatformTx, PlatformView, Target, Timestamp, Work, ids};
use policy_core::Role;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use secrecy::ExposeSecret as _;
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::PREFIX;
use crate::error::Error;
use crate::store;

/// The name of the key that the configuration sets.
pub const BOOTSTRAP: &str = "bootstrap";

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whose it is; `None`: the platform's.
    pub tenant: Option<Uuid>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Makes a key whose secret was hashed before the transaction began.
///
/// # Errors
/// [`Error::Invalid`] if role and tenant don't go together.
pub async fn create(tx: &mut PlatformTx, new: NewKey, id: Uuid, proof: SecretProof) -> Result<Model, Error> {
    if new.role.is_platform() != new.tenant.is_none() {
        let detail = "a platform role has no tenant, any other role has one";
        return Err(Invalid::at("/role", detail).into());
    }
    if let Some(tenant) = new.tenant {
        let known = tx.across::<tenant::Entity>().filter(tenant::Column::Id.eq(tenant));
        tx.one(known).await?.ok_or_else(|| Invalid::at("/tenantId", "there is no such tenant"))?;
    }
    let key = Model {
        id,
        tenant_id: new.tenant,
        name: new.name,
        role: ByName(new.role),
        secret_hash: proof.hash,
        secret_mac: Some(proof.mac),
        created_at: tx.now(),
        expires_at: new.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    tx.insert(key.clone()).await?;
    tx.record("key.create", Target::new("key", id));
    Ok(key)
}

/// All keys, newest last, after `after`.
pub async fn list(view: &PlatformView, after: Option<Uuid>, limit: u64) -> Result<Vec<Model>, DbError> {
    let mut select = view.platform::<Entity>().order_by_asc(Column::Id).limit(limit);
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    view.all(select).await
}

/// Revokes a key. Revoking twice is the same as once.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn revoke(tx: &mut PlatformTx, id: Uuid) -> Result<(), Error> {
    let found = tx.lock(tx.platform::<Entity>().filter(Column::Id.eq(id))).await?;
    let mut key = found.ok_or(Error::NotFound)?;
    if key.revoked_at.is_none() {
        key.revoked_at = Some(tx.now());
        tx.update(key).await?;
    }
    tx.record("key.revoke", Target::new("key", id));
    Ok(())
}

/// Removes the keys of a tenant that is no more.
pub async fn remove_of_tenant(tx: &mut PlatformTx, tenant: Uuid) -> Result<(), DbError> {
    tx.housekeeping();
    for key in tx.all(tx.platform::<Entity>().filter(Column::TenantId.eq(tenant))).await? {
        tx.record_for(tenant, "key.delete", Target::new("key", key.id));
        tx.delete(key).await?;
    }
    Ok(())
}

/// What is stored of a key's secret. Argon2id takes its time, so this comes before the transaction.
///
/// # Errors
/// [`HashError`] if too many secrets are being made.
pub async fn protect(
    tools: &Tools,
    tenant: Option<Uuid>,
    id: Uuid,
    secret: &str,
) -> Result<SecretProof, HashError> {
    let owner = tenant.unwrap_or_default();
    tools.secrets.protect(SecretKind::ManagementKey, id, TenantId(owner), secret).await
}

/// The id of the key that the configuration sets: it follows from the secret, so that a changed secret is a new key. A person
/// may have chosen that secret and ids are public, so nobody without the master key can try guesses against it.
pub(crate) fn bootstrap_id(tools: &Tools, secret: &str) -> Uuid {
    id_of(&tools.envelope.mark("bootstrap_key", secret.as_bytes()))
}

/// The same in versions that derived it by a bare hash, against which anybody could try guesses.
fn bootstrap_id_before(secret: &str) -> Uuid {
    id_of(&sha256(&[b"bootstrap:", secret.as_bytes()].concat()))
}

/// Makes the configured key, or the first key of an empty store. The latter's secret is answered, to be printed once.
///
/// # Errors
/// [`Error::Hash`] and [`Error::Store`].
pub async fn ensure_bootstrap(service: &PlatformService) -> Result<Option<String>, Error> {
    let ctx = platform::Ctx::system("bootstrap");
    let configured = service.config.secrets.bootstrap_key.expose_secret();
    let new =
        |name: &str| NewKey { name: name.to_owned(), role: Role::Operator, tenant: None, expires_at: None };
    if !configured.is_empty() {
        let id = bootstrap_id(service, configured);
        let there = async |view: &PlatformView| by_id(view, id).await;
        if service.db.read(there).await?.is_none() {
            let proof = protect(service, None, id, configured).await?;
            let before = bootstrap_id_before(configured);
            let make = async |tx: &mut PlatformTx| {
                let key = create(tx, new(BOOTSTRAP), id, proof).await?;
                succeed(tx, before, key).await
            };
            match service.db.write(&ctx, make).await {
                // Another replica was faster.
                Ok(()) | Err(Error::Store(DbError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        return Ok(None);
    }
    let any = service.db.read(async |view| list(view, None, 1).await).await?;
    if !any.is_empty() {
        return Ok(None);
    }
    let secret = BearerSecret::generate(PREFIX, ids::new());
    let proof = protect(service, None, secret.id, &secret.text).await?;
    service.db.write(&ctx, async |tx| create(tx, new("first"), secret.id, proof).await).await?;
    Ok(Some(secret.text.to_string()))
}

/// The configured key takes the place of its row under the id of before; one that was revoked stays revoked.
async fn succeed(tx: &mut PlatformTx, before: Uuid, key: Model) -> Result<(), Error> {
    let Some(before) = by_id(tx, before).await? else { return Ok(()) };
    match before.revoked_at {
        Some(_) => tx.update(Model { revoked_at: before.revoked_at, ..key }).await?,
        None => revoke(tx, before.id).await?,
    }
    Ok(())
}

async fn by_id(view: &PlatformView, id: Uuid) -> Result<Option<Model>, DbError> {
    view.one(view.platform::<Entity>().filter(Column::Id.eq(id))).await
}

/// A key, and what of its tenant bears on it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) key: Model,
    owner: Owner,
}

/// Whose a key is.
#[derive(Debug)]
pub(crate) enum Owner {
    Platform,
    Tenant { status: Status, rate_multiplier: u32 },
}

impl Found {
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.key.revoked_at.is_some() || self.key.expires_at.is_some_and(|end| end <= now)
    }

    /// By how much its tenant's plan multiplies rate limits; `None`: the platform's key. A tenant that is cut off has no keys that
    /// count.
    pub(crate) fn usable(&self) -> Result<Option<u32>, Unusable> {
        let (status, multiplier) = match &self.owner {
            Owner::Platform => return Ok(None),
            Owner::Tenant { status, rate_multiplier } => (*status, *rate_multiplier),
        };
        status.admits(Asks::Keys)?;
        Ok(Some(multiplier))
    }
}

pub(crate) async fn find(view: &PlatformView, id: Uuid) -> Result<Option<Found>, DbError> {
    let Some(key) = by_id(view, id).await? else { return Ok(None) };
    let Some(tenant) = key.tenant_id else { return Ok(Some(Found { key, owner: Owner::Platform })) };
    let tenant = view.across::<tenant::Entity>().filter(tenant::Column::Id.eq(tenant));
    let Some(tenant) = view.one(tenant).await? else { return Ok(None) };
    let plan = view.one(view.platform::<plan::Entity>().filter(plan::Column::Key.eq(tenant.plan))).await?;
    let rate_multiplier = plan::times(plan.map(|plan| plan.rate_multiplier));
    Ok(Some(Found { key, owner: Owner::Tenant { status: tenant.status, rate_multiplier } }))
}

/// Notes the use, and the HMAC that a key from before lacks.
pub(crate) async fn touch(service: &PlatformService, id: Uuid, mac: Option<Vec<u8>>) {
    let ctx = platform::Ctx::system("keys");
    let written = service
        .db
        .write(&ctx, async |tx| {
            tx.housekeeping();
            store::record_use(tx, id, mac).await
        })
        .await;
    // Nobody's request fails for a statistic.
    let _ = written;
}
