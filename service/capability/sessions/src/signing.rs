//! Work whose answer is signed. The signature is made before the commit: a store, or a key, that fails behind it would leave a session or a
//! used refresh token of which nobody hears, and an OAuth client repeats a 503 whatever it says.

use std::cell::Cell;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, encode};
use platform::db::TenantDb;
use platform::{Ctx, DbError, Tx};
use serde::Serialize;
use uuid::Uuid;
use web::PlatformService;

use crate::error::Error;
use crate::keys::{Key, Keyring};

/// Realms of one tenant: the platform's, and its own.
const REALMS: usize = 2;

/// The keys that are at hand while a transaction is open.
pub struct Signers {
    keys: Vec<Arc<Key>>,
    /// The realm whose key was asked for and isn't at hand.
    missing: Cell<Option<Option<Uuid>>>,
}

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.kid)).finish()
    }
}

impl Signers {
    /// Signs claims with the key of `realm`, as a token of type `typ`; without a type, an ID token.
    ///
    /// # Errors
    /// [`Error::KeyMissing`], with which the work must end.
    pub fn sign(
        &self,
        realm: Option<Uuid>,
        typ: Option<&str>,
        claims: &impl Serialize,
    ) -> Result<String, Error> {
        let Some(key) = self.keys.iter().find(|key| key.realm == realm) else {
            self.missing.set(Some(realm));
            return Err(Error::KeyMissing);
        };
        key.sign(typ, claims)
    }
}

impl Key {
    pub(crate) fn sign(&self, typ: Option<&str>, claims: &impl Serialize) -> Result<String, Error> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = typ.map(ToOwned::to_owned);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.signs).map_err(Error::internal)
    }
}

impl Keyring {
    /// Work on a tenant that signs something: it begins again where it needs a key that wasn't at hand.
    ///
    /// # Errors
    /// What `work` was refused for, and [`Error`] where there is no key.
    pub async fn write_signed<T, E: From<Error> + From<DbError>>(
        &self,
        service: &PlatformService,
        tenant: &TenantDb,
        ctx: &Ctx,
        work: impl AsyncFn(&mut Tx, &Signers) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut signers =
            Signers { keys: self.usual(service, tenant.tenant()).await?, missing: Cell::new(None) };
        for _ in 0..REALMS {
            let done = tenant.write(ctx, async |tx| work(tx, &signers).await).await;
            let Some(realm) = signers.missing.take().filter(|_| done.is_err()) else { return done };
            let key = self.signing(service, realm).await?;
            self.signs_for(tenant.tenant(), realm);
            signers.keys.push(key);
        }
        Err(Error::KeyMissing.into())
    }
}
