//! WebAuthn's two ceremonies (Web Authentication Level 3, section 7), from their inputs to their outcomes: no store, no network. Pure but
//! for the random challenge.
//!
//! The one crate that knows `webauthn-rs`, which brings a second stack of cryptography (`rsa`, `ed25519-dalek`, `x509-cert`, `argon2` of
//! other versions than ours). Here it is built beside everything else, and nothing but this has to be replaced to be rid of it. What is
//! kept between two steps, and of a passkey, goes in and out as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{AuthenticationResult, Passkey};
use webauthn_rs::{Webauthn, WebauthnBuilder};

pub use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

/// Why a ceremony doesn't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the browser sent doesn't fit the challenge, the origin or the passkey.
    #[error("the passkey is not accepted")]
    Refused,
    /// Our own URL, or what was kept, can't be read.
    #[error("{0}")]
    Internal(String),
}

fn internal(error: impl ToString) -> Error {
    Error::Internal(error.to_string())
}

/// What a browser is asked, and what must be kept until it answers.
#[derive(Clone, Debug)]
pub struct Begun {
    /// For `navigator.credentials`.
    pub options: Value,
    /// To be kept, unseen by anybody.
    pub state: Value,
}

/// A passkey, as it is stored.
#[derive(Clone, Debug)]
pub struct Made {
    /// The credential's id.
    pub id: Vec<u8>,
    /// All that there is to keep.
    pub passkey: Value,
}

/// Who shows a passkey.
#[derive(Clone, Debug)]
pub struct Shown(AuthenticationResult);

/// Us, at our public host and no other origin.
#[derive(Debug)]
pub struct RelyingParty(Webauthn);

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(value).map_err(internal)
}

fn write(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(internal)
}

impl RelyingParty {
    /// The relying party of this public URL.
    ///
    /// # Errors
    /// [`Error::Internal`] if it has no host.
    pub fn new(public_url: &str) -> Result<Self, Error> {
        let origin = Url::parse(public_url).map_err(internal)?;
        let host = origin.host_str().unwrap_or_default().to_owned();
        let builder = WebauthnBuilder::new(&host, &origin).map_err(internal)?;
        builder.rp_name("tenantry").build().map(Self).map_err(internal)
    }

    /// Begins to make a passkey for somebody (id, account, name) who has these.
    ///
    /// # Errors
    /// [`Error::Internal`]
    pub fn begin_registration(
        &self,
        (id, account, name): (Uuid, &str, &str),
        there: &[&Value],
    ) -> Result<Begun, Error> {
        let known = there.iter().map(|key| Ok(read::<Passkey>(key)?.cred_id().clone()));
        let known = known.collect::<Result<Vec<_>, Error>>()?;
        let begun = self.0.start_passkey_registration(id, account, name, Some(known));
        let (options, state) = begun.map_err(internal)?;
        Ok(Begun { options: write(&options)?, state: write(&state)? })
    }

    /// Finishes making a passkey.
    pub fn finish_registration(
        &self,
        credential: &RegisterPublicKeyCredential,
        state: &Value,
    ) -> Result<Made, Error> {
        let made = self.0.finish_passkey_registration(credential, &read(state)?);
        let made = made.map_err(|_| Error::Refused)?;
        Ok(Made { id: made.cred_id().to_vec(), passkey: write(&made)? })
    }

    /// Begins to ask for one of these passkeys.
    ///
    /// # Errors
    /// [`Error::Internal`]
    pub fn begin_authentication(&self, keys: &[&Value]) -> Result<Begun, Error> {
        let keys = keys.iter().map(|key| read(key)).collect::<Result<Vec<Passkey>, _>>()?;
        let (options, state) = self.0.start_passkey_authentication(&keys).map_err(internal)?;
        Ok(Begun { options: write(&options)?, state: write(&state)? })
    }

    /// Finishes asking: a passkey was shown, and its holder verified.
    pub fn finish_authentication(
        &self,
        credential: &PublicKeyCredential,
        state: &Value,
    ) -> Result<Shown, Error> {
        let shown = self.0.finish_passkey_authentication(credential, &read(state)?);
        let shown = shown.map_err(|_| Error::Refused)?;
        if shown.user_verified() { Ok(Shown(shown)) } else { Err(Error::Refused) }
    }
}

impl Shown {
    /// What is to be kept of a passkey from now on, if this is the one that was shown. A counter that went back was copied: that is
    /// refused before; here what it counts now is noted.
    ///
    /// # Errors
    /// [`Error::Internal`]
    pub fn updated_credential(&self, passkey: &Value) -> Result<Option<Value>, Error> {
        let mut key: Passkey = read(passkey)?;
        let shown = key.update_credential(&self.0).is_some();
        if shown { Ok(Some(write(&key)?)) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests;
