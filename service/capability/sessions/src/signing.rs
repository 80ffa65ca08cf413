//! Work whose answer is signed. The signature is made before the commit: a store, or a key, that fails behind it would leave a session or a
//! used refresh token of which nobody hears, and an OAuth client repeats a 503 whatever it says.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, encode};
use platform::{Ctx, DbError, Tx};
use serde::Serialize;
use uuid::Uuid;
use web::{Problem, Service};

use crate::keys::{Key, Keyring};

/// Realms of one tenant: the platform's, and its own.
const REALMS: usize = 2;

/// The keys that are at hand while a transaction is open.
pub struct Signers(Vec<Arc<Key>>);

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.kid)).finish()
    }
}

/// Why there is no signature.
#[derive(Debug)]
pub enum Unsigned {
    /// The key of this realm is not at hand: it is fetched, and the work begins again.
    KeyMissing(Option<Uuid>),
    /// The work was refused.
    Refused(Problem),
}

impl From<Problem> for Unsigned {
    fn from(problem: Problem) -> Self {
        Unsigned::Refused(problem)
    }
}

impl From<DbError> for Unsigned {
    fn from(error: DbError) -> Self {
        Unsigned::Refused(error.into())
    }
}

impl Signers {
    /// Signs claims with the key of `realm`, as a token of type `typ`; without a type, an ID token.
    ///
    /// # Errors
    /// [`Unsigned`]
    pub fn sign(
        &self,
        realm: Option<Uuid>,
        typ: Option<&str>,
        claims: &impl Serialize,
    ) -> Result<String, Unsigned> {
        let key = self.0.iter().find(|key| key.realm == realm).ok_or(Unsigned::KeyMissing(realm))?;
        Ok(key.sign(typ, claims)?)
    }
}

impl Key {
    pub(crate) fn sign(&self, typ: Option<&str>, claims: &impl Serialize) -> Result<String, Problem> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = typ.map(ToOwned::to_owned);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.signs).map_err(Problem::internal)
    }
}

impl Keyring {
    /// Work on `tenant` that signs something: it begins again where it needs a key that wasn't at hand.
    ///
    /// # Errors
    /// What `work` was refused for; `internal` or `unavailable` where there is no key.
    pub async fn write_signed<T>(
        &self,
        service: &Service,
        ctx: &Ctx,
        tenant: Uuid,
        work: impl AsyncFn(&mut Tx, &Signers) -> Result<T, Unsigned>,
    ) -> Result<T, Problem> {
        let mut signers = Signers(self.usual(service, tenant).await?);
        for _ in 0..REALMS {
            match service.db.write(ctx, tenant, async |tx| work(tx, &signers).await).await {
                Ok(done) => return Ok(done),
                Err(Unsigned::Refused(problem)) => return Err(problem),
                Err(Unsigned::KeyMissing(realm)) => {
                    let key = self.signing(service, realm).await?;
                    self.signs_for(tenant, realm);
                    signers.0.push(key);
                }
            }
        }
        Err(Problem::internal("no key of the tenant's signs its tokens"))
    }
}
