//! Bearer secrets are recognised in microseconds, and passwords as slowly as they must be.
//!
//! Of each bearer secret two things are stored: its Argon2id hash, the proof that somebody who stole the store has to break,
//! and beside it an HMAC under a random lookup key that only the master key opens. The HMAC alone decides: a wrong secret
//! never reaches Argon2. Secrets from before there were HMACs go through Argon2's queue until their first right use.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use entity::ids::TenantId;
use entity::platform::lookup_key::{Entity, Model};
use moka::sync::Cache;
use uuid::Uuid;

use super::argon::{Argon, Lane};
use super::{Envelope, HashError, binding, random, sha256};
use crate::db::Db;
use crate::{CrossTenantStatement, Ctx, DbError, PlatformTx, Work as _};

/// Verdicts of Argon2 that are remembered, and for how long: a client that goes on with a wrong secret costs one evaluation.
const VERDICTS_MAX: u64 = 10_000;
const VERDICTS_TTL: Duration = Duration::from_secs(60);

/// What the lookup key is sealed for. The row is the store's canary too: a master key that doesn't open it is another one.
const LOOKUP_KEY_PURPOSE: &str = "lookup_key";
/// The one row's id.
const LOOKUP_KEY_ID: i64 = 1;
const MAKE_LOOKUP_KEY: CrossTenantStatement = CrossTenantStatement::new(
    "INSERT INTO lookup_key (id, sealed_key, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
);

/// What the lookup key is sealed for, as bytes.
fn sealed_for() -> [u8; 8] {
    LOOKUP_KEY_ID.to_be_bytes()
}

/// Opens a sealed lookup key.
///
/// # Errors
/// [`DbError::Sealed`] under another master key.
pub fn open_lookup_key(envelope: &Envelope, sealed: &[u8]) -> Result<LookupKey, DbError> {
    let bytes = envelope.open(LOOKUP_KEY_PURPOSE, &sealed_for(), sealed)?;
    Ok(LookupKey::new(&bytes))
}

/// The key of the HMACs: random, sealed in the store, loaded once.
#[derive(Clone, Debug)]
pub struct LookupKey(Arc<hmac::Key>);

impl LookupKey {
    fn new(bytes: &[u8]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// A key that recognises nothing that is stored: for commands that only look.
    pub fn throw_away() -> Self {
        Self::new(&random::<32>())
    }

    /// The store's key, made if there is none yet. Whoever makes it forgets the HMACs of a key that was lost: those secrets
    /// are recognised by their hashes again.
    ///
    /// # Errors
    /// [`DbError::Sealed`] under another master key; others if the store fails.
    pub async fn load(db: &Db, envelope: &Envelope) -> Result<Self, DbError> {
        if let Some(row) = db.read_platform(async |view| view.one(view.platform::<Entity>()).await).await? {
            return open_lookup_key(envelope, &row.sealed_key);
        }
        let sealed = envelope.seal(LOOKUP_KEY_PURPOSE, &sealed_for(), &random::<32>())?;
        let make = async |tx: &mut PlatformTx| -> Result<Option<Model>, DbError> {
            tx.housekeeping();
            let made = tx
                .execute(&MAKE_LOOKUP_KEY, vec![LOOKUP_KEY_ID.into(), sealed.into(), tx.now().into()])
                .await?;
            if made == 1 {
                for table in ["management_key", "scim_token", "module"] {
                    let sql = format!("UPDATE {table} SET secret_mac = NULL WHERE secret_mac IS NOT NULL");
                    tx.execute(&CrossTenantStatement::built(sql), Vec::new()).await?;
                }
            }
            // Another replica may have been faster.
            tx.one(tx.platform::<Entity>()).await
        };
        let row = db.write_platform(&Ctx::system("lookup key"), make).await?;
        let lost = || DbError::Corrupt {
            table: "lookup_key",
            id: LOOKUP_KEY_ID.to_string(),
            reason: "it was made and isn't there".to_owned(),
        };
        open_lookup_key(envelope, &row.ok_or_else(lost)?.sealed_key)
    }

    fn message(kind: SecretKind, id: Uuid, secret: &str) -> Vec<u8> {
        let mut message = binding(kind.name(), id.as_bytes());
        message.extend_from_slice(secret.as_bytes());
        message
    }

    fn mac(&self, kind: SecretKind, id: Uuid, secret: &str) -> Vec<u8> {
        hmac::sign(&self.0, &Self::message(kind, id, secret)).as_ref().to_vec()
    }

    /// Takes the same time wherever the difference is.
    fn matches(&self, stored: &StoredSecret<'_>, secret: &str, mac: &[u8]) -> bool {
        hmac::verify(&self.0, &Self::message(stored.kind, stored.id, secret), mac).is_ok()
    }
}

/// Whose secret it is: an HMAC that is moved to another kind of row, or another row, is none there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// A key of the management or internal API.
    ManagementKey,
    /// A SCIM token, or a SCIM client's secret.
    ScimToken,
    /// A module's OAuth client secret.
    ModuleClient,
}

impl SecretKind {
    fn name(self) -> &'static str {
        match self {
            SecretKind::ManagementKey => "management_key",
            SecretKind::ScimToken => "scim_token",
            SecretKind::ModuleClient => "module",
        }
    }
}

/// What is stored of a new secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretProof {
    /// Argon2id, PHC string.
    pub hash: String,
    /// HMAC-SHA-256 under the lookup key.
    pub mac: Vec<u8>,
}

/// What is stored of the secret that somebody claims to know.
#[derive(Clone, Copy, Debug)]
pub struct StoredSecret<'a> {
    /// Whose it is.
    pub kind: SecretKind,
    /// The row.
    pub id: Uuid,
    /// Argon2id, PHC string.
    pub hash: &'a str,
    /// The HMAC; `None`: the row is from before there were any.
    pub mac: Option<&'a [u8]>,
}

/// Whether a secret is the stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It isn't.
    Wrong,
    /// It is.
    Right,
    /// It is, and the row has no HMAC yet: this one goes there.
    RightWithout(Vec<u8>),
}

impl Verdict {
    /// Whether it is; and the HMAC that the row lacks, if it does.
    pub fn right(self) -> Option<Option<Vec<u8>>> {
        match self {
            Verdict::Wrong => None,
            Verdict::Right => Some(None),
            Verdict::RightWithout(mac) => Some(Some(mac)),
        }
    }
}

/// Makes and recognises secrets, for one process.
#[derive(Clone, Debug)]
pub struct Secrets {
    key: LookupKey,
    argon: Argon,
    verdicts: Cache<[u8; 32], bool>,
}

impl Secrets {
    /// Recognises by `key`.
    pub fn new(key: LookupKey) -> Self {
        let verdicts = Cache::builder().max_capacity(VERDICTS_MAX).time_to_live(VERDICTS_TTL).build();
        Self { key, argon: Argon::default(), verdicts }
    }

    /// What is stored of a new secret of the row `id`, made for `owner` (a tenant; nil: the platform).
    ///
    /// # Errors
    /// [`HashError::Busy`] if Argon2's queue is full.
    pub async fn protect(
        &self,
        kind: SecretKind,
        id: Uuid,
        owner: TenantId,
        secret: &str,
    ) -> Result<SecretProof, HashError> {
        let hash = self.argon.hash(Lane::Make(owner.0), secret).await?;
        Ok(SecretProof { hash, mac: self.key.mac(kind, id, secret) })
    }

    /// Whether `secret` is the stored one.
    ///
    /// # Errors
    /// Only for a row without an HMAC: [`HashError`] if its hash can't be read, or Argon2's queue is full.
    pub async fn recognise(&self, secret: &str, stored: StoredSecret<'_>) -> Result<Verdict, HashError> {
        if let Some(mac) = stored.mac {
            return Ok(if self.key.matches(&stored, secret, mac) { Verdict::Right } else { Verdict::Wrong });
        }
        let fingerprint = sha256(&[secret.as_bytes(), &[0], stored.hash.as_bytes()].concat());
        let known = || self.verdicts.get(&fingerprint);
        let right = match known() {
            Some(right) => right,
            None => self.argon.verify(Lane::Check(stored.id), secret, stored.hash, known).await?,
        };
        self.verdicts.insert(fingerprint, right);
        if !right {
            return Ok(Verdict::Wrong);
        }
        Ok(Verdict::RightWithout(self.key.mac(stored.kind, stored.id, secret)))
    }

    /// The Argon2id hash of a password of `account`.
    ///
    /// # Errors
    /// [`HashError::Busy`] if Argon2's queue is full.
    pub async fn hash_password(&self, account: Uuid, password: &str) -> Result<String, HashError> {
        self.argon.hash(Lane::Make(account), password).await
    }

    /// Whether a password is that of `account`. People choose passwords, so nothing faster than Argon2 is derived from one,
    /// not even in memory.
    ///
    /// # Errors
    /// [`HashError`] if the hash can't be read, or Argon2's queue is full.
    pub async fn verify_password(&self, account: Uuid, password: &str, phc: &str) -> Result<bool, HashError> {
        self.argon.verify(Lane::Check(account), password, phc, || None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored<'a>(kind: SecretKind, id: Uuid, proof: &'a SecretProof) -> StoredSecret<'a> {
        StoredSecret { kind, id, hash: &proof.hash, mac: Some(&proof.mac) }
    }

    #[tokio::test]
    async fn a_secret_is_recognised_by_its_hmac_and_an_old_one_by_its_hash_once() {
        let secrets = Secrets::new(LookupKey::throw_away());
        let (id, kind) = (crate::ids::new(), SecretKind::ScimToken);
        let proof = secrets.protect(kind, id, TenantId(Uuid::nil()), "secret").await.unwrap();
        assert!(proof.hash.starts_with("$argon2id$") && proof.mac.len() == 32);
        // Whether Argon2 was asked is seen by a hash that it can't read.
        let unread = SecretProof { hash: "no hash".to_owned(), ..proof.clone() };
        for (text, kind, id, verdict) in [
            ("secret", kind, id, Verdict::Right),
            ("secre", kind, id, Verdict::Wrong),
            ("secret", SecretKind::ManagementKey, id, Verdict::Wrong),
            ("secret", kind, crate::ids::new(), Verdict::Wrong),
        ] {
            assert_eq!(secrets.recognise(text, stored(kind, id, &unread)).await, Ok(verdict), "{text}");
        }
        let old = StoredSecret { mac: None, ..stored(kind, id, &proof) };
        let right = Ok(Verdict::RightWithout(proof.mac.clone()));
        assert_eq!(secrets.recognise("secret", old).await, right);
        assert_eq!(secrets.recognise("secret", old).await, right);
        assert_eq!(secrets.recognise("secre", old).await, Ok(Verdict::Wrong));
        // Each verdict of Argon2 once, for as long and as many as LIMITS.md says.
        secrets.verdicts.run_pending_tasks();
        assert_eq!(secrets.verdicts.entry_count(), 2);
        let policy = secrets.verdicts.policy();
        assert_eq!((policy.max_capacity(), policy.time_to_live()), (Some(VERDICTS_MAX), Some(VERDICTS_TTL)));
        let other = Secrets::new(LookupKey::throw_away());
        assert_eq!(other.recognise("secret", stored(kind, id, &proof)).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_password_is_recognised_by_its_hash() {
        let secrets = Secrets::new(LookupKey::throw_away());
        let phc = secrets.hash_password(Uuid::nil(), "correct horse").await.unwrap();
        assert_eq!(secrets.verify_password(Uuid::nil(), "correct horse", &phc).await, Ok(true));
        assert_eq!(secrets.verify_password(Uuid::nil(), "correct horsE", &phc).await, Ok(false));
        assert_eq!(secrets.verify_password(Uuid::nil(), "x", "no hash").await, Err(HashError::Failed));
    }
}
