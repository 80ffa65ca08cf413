//! Signing keys: ES256, sealed at rest, rotated. `kid` is the RFC 7638 thumbprint.
//!
//! ES256 rather than EdDSA: mod_auth_openidc and other relying parties in use have no EdDSA (decision 0004).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use entity::sessions::signing_key::{Column, Entity, Model};
use jsonwebtoken::{DecodingKey, EncodingKey};
use moka::sync::Cache;
use platform::crypto::{Envelope, sha256};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Target, Timestamp, Work, ids};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;
use web::PlatformService;

use crate::error::Error;

/// A new key is published this long before it signs: relying parties cache key sets.
const PUBLISHED_AHEAD: TimeDelta = TimeDelta::minutes(10);
/// A key is published this long after it last signed.
const PUBLISHED_AFTER: TimeDelta = TimeDelta::days(1);
/// How long a ring is used before the store is asked again: the time in which a rotation reaches other processes.
const RING_TTL: Duration = Duration::from_secs(30);
/// Rings kept at once: one a realm.
const RINGS_MAX: u64 = 10_000;
/// Keys of one realm that are looked at.
const KEYS_MAX: u64 = 16;

/// One usable key.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) realm: Option<Uuid>,
    pub(crate) signs: EncodingKey,
    pub(crate) verifies: DecodingKey,
    activates_at: Timestamp,
}

/// The keys of one realm, oldest first.
type Ring = Arc<Vec<Arc<Key>>>;

/// The keys of this process.
#[derive(Clone)]
pub struct Keyring {
    rings: Cache<Option<Uuid>, Ring>,
    /// Tenants some of whose tokens are signed with keys of their own.
    own: Cache<Uuid, ()>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("realms", &self.rings.entry_count()).finish()
    }
}

impl Default for Keyring {
    fn default() -> Self {
        let rings = Cache::builder().max_capacity(RINGS_MAX).time_to_live(RING_TTL).build();
        Self { rings, own: Cache::new(RINGS_MAX) }
    }
}

impl Keyring {
    async fn ring(&self, service: &PlatformService, realm: Option<Uuid>) -> Result<Ring, Error> {
        if let Some(ring) = self.rings.get(&realm) {
            return Ok(ring);
        }
        let rows = service.db.read(async |view| published(view, realm).await).await?;
        let keys: Vec<Arc<Key>> =
            rows.into_iter().map(|row| usable(&service.envelope, row)).collect::<Result<_, _>>()?;
        let ring = Arc::new(keys);
        if !ring.is_empty() {
            self.rings.insert(realm, ring.clone());
        }
        Ok(ring)
    }

    /// The keys with which `tenant`'s tokens are signed, as far as this process has seen any.
    pub(crate) async fn usual(
        &self,
        service: &PlatformService,
        tenant: Uuid,
    ) -> Result<Vec<Arc<Key>>, Error> {
        let mut keys = vec![self.signing(service, None).await?];
        if self.own.contains_key(&tenant) {
            keys.push(self.signing(service, Some(tenant)).await?);
        }
        Ok(keys)
    }

    pub(crate) fn signs_for(&self, tenant: Uuid, realm: Option<Uuid>) {
        if realm.is_some() {
            self.own.insert(tenant, ());
        }
    }

    /// The key that signs now. A realm without one gets its first.
    pub(crate) async fn signing(
        &self,
        service: &PlatformService,
        realm: Option<Uuid>,
    ) -> Result<Arc<Key>, Error> {
        // The clock is read at each look: a key that was just made is active from that moment.
        let newest = |ring: Ring| {
            let now = service.clock.now();
            ring.iter().rev().find(|key| key.activates_at <= now).cloned()
        };
        if let Some(key) = newest(self.ring(service, realm).await?) {
            return Ok(key);
        }
        service
            .db
            .write(&Ctx::system("signing keys"), async |tx| ensure_key(tx, &service.envelope, realm).await)
            .await?;
        self.rings.invalidate(&realm);
        newest(self.ring(service, realm).await?).ok_or_else(|| Error::internal("no signing key"))
    }

    /// The key of this id in this realm.
    pub(crate) async fn verifying(
        &self,
        service: &PlatformService,
        realm: Option<Uuid>,
        kid: &str,
    ) -> Result<Option<Arc<Key>>, Error> {
        Ok(self.ring(service, realm).await?.iter().find(|key| key.kid == kid).cloned())
    }
}

fn of_realm(realm: Option<Uuid>) -> Condition {
    match realm {
        Some(tenant) => Condition::all().add(Column::TenantId.eq(tenant)),
        None => Condition::all().add(Column::TenantId.is_null()),
    }
}

async fn published(view: &PlatformView, realm: Option<Uuid>) -> Result<Vec<Model>, DbError> {
    let select = view.platform::<Entity>().filter(of_realm(realm)).filter(Column::RetiresAt.gt(view.now()));
    view.all(select.order_by_asc(Column::ActivatesAt).limit(KEYS_MAX)).await
}

/// What `/oauth2/jwks` shows: keys that sign, will sign, or whose tokens are not yet over.
pub async fn public_keys(view: &PlatformView, realm: Option<Uuid>) -> Result<Vec<Value>, DbError> {
    Ok(published(view, realm).await?.into_iter().map(|row| row.public_jwk).collect())
}

fn usable(envelope: &Envelope, row: Model) -> Result<Arc<Key>, Error> {
    let private = envelope.open("signing_key", row.id.as_bytes(), &row.private_key)?;
    let coordinate =
        |name: &str| row.public_jwk.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let verifies =
        DecodingKey::from_ec_components(&coordinate("x"), &coordinate("y")).map_err(Error::internal)?;
    Ok(Arc::new(Key {
        kid: row.kid,
        realm: row.tenant_id,
        signs: EncodingKey::from_ec_der(&private),
        verifies,
        activates_at: row.activates_at,
    }))
}

/// Makes the realm's first key, if it has none.
pub async fn ensure_key(tx: &mut PlatformTx, envelope: &Envelope, realm: Option<Uuid>) -> Result<(), Error> {
    if published(tx, realm).await?.is_empty() {
        let now = tx.now();
        create(tx, envelope, realm, now).await?;
    } else {
        tx.housekeeping();
    }
    Ok(())
}

/// Whether the realm has a key.
pub async fn has_key(view: &PlatformView, realm: Uuid) -> Result<bool, DbError> {
    Ok(view.one(view.platform::<Entity>().filter(Column::TenantId.eq(realm))).await?.is_some())
}

/// Removes all keys of a realm that is no more.
pub async fn remove_keys(tx: &mut PlatformTx, realm: Uuid) -> Result<(), DbError> {
    tx.housekeeping();
    for key in tx.all(tx.platform::<Entity>().filter(Column::TenantId.eq(realm))).await? {
        tx.record_for(realm, "signing_key.delete", Target::new("signing_key", &key.kid));
        tx.delete(key).await?;
    }
    Ok(())
}

/// Makes the next key of each realm whose newest key has signed for `age`; tells how many.
pub(crate) async fn rotate(tx: &mut PlatformTx, envelope: &Envelope, age: Duration) -> Result<usize, Error> {
    tx.housekeeping();
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::days(30));
    let due = tx.now() + PUBLISHED_AHEAD - age;
    let rows =
        tx.platform::<Entity>().filter(Column::RetiresAt.gt(tx.now())).order_by_asc(Column::ActivatesAt);
    let mut newest = std::collections::BTreeMap::new();
    for row in tx.all(rows).await? {
        newest.insert(row.tenant_id, row);
    }
    let mut made = 0;
    for (realm, mut row) in newest {
        if row.activates_at > due {
            // Still signing: it must outlive its own next rotation.
            let until = tx.now() + age + PUBLISHED_AHEAD + PUBLISHED_AFTER;
            if row.retires_at < until {
                row.retires_at = until;
                tx.update(row).await?;
            }
            continue;
        }
        let activates_at = tx.now() + PUBLISHED_AHEAD;
        row.retires_at = activates_at + PUBLISHED_AFTER;
        tx.update(row).await?;
        create(tx, envelope, realm, activates_at).await?;
        made += 1;
    }
    Ok(made)
}

async fn create(
    tx: &mut PlatformTx,
    envelope: &Envelope,
    realm: Option<Uuid>,
    activates_at: Timestamp,
) -> Result<(), Error> {
    let failed = |_| Error::internal("no signing key could be made");
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())
        .map_err(|_| Error::internal("a made signing key can't be read"))?;
    // SEC 1: an uncompressed point is 0x04, x, y.
    let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
    let (x, y) =
        point.split_at_checked(32).ok_or_else(|| Error::internal("a made signing key has no point"))?;
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    // RFC 7638: the required members in lexicographic order.
    let thumbprint = sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
    let kid = URL_SAFE_NO_PAD.encode(thumbprint);
    let id = ids::new();
    let row = Model {
        id,
        tenant_id: realm,
        kid: kid.clone(),
        algorithm: "ES256".to_owned(),
        public_jwk: json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256"}),
        private_key: envelope.seal("signing_key", id.as_bytes(), document.as_ref())?,
        created_at: tx.now(),
        activates_at,
        // Moved on by each look of `rotate` while the key signs.
        retires_at: activates_at + TimeDelta::days(365),
    };
    tx.insert(row).await?;
    tx.record("signing_key.create", Target::new("signing_key", kid));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_read_again_before_its_next_key_signs() {
        let policy = Keyring::default().rings.policy();
        assert_eq!(
            (policy.max_capacity(), policy.time_to_live()),
            (Some(10_000), Some(Duration::from_secs(30)))
        );
        // A process that read the ring just before a key was published has it long before that key signs.
        assert!(PUBLISHED_AHEAD.to_std().unwrap() > RING_TTL * 2);
        assert_eq!((RINGS_MAX, KEYS_MAX), (10_000, 16));
    }
}
