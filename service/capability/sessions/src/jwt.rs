//! Access tokens: RFC 9068 JWTs, five minutes long, signed ES256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::sessions::session;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use platform::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::error::Error;
use crate::keys::Keyring;
use crate::model::Subject;
use crate::settings::Settings;
use crate::signing::Signers;

/// Bytes of a token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// The user's id.
    pub sub: String,
    /// For whom the token is.
    pub aud: String,
    /// When it ends, in seconds.
    pub exp: i64,
    /// When it was made, in seconds.
    pub iat: i64,
    /// What the client may do (RFC 9068, section 2.2.3).
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub scope: String,
    /// Its id.
    pub jti: String,
    /// The session.
    pub sid: Uuid,
    /// Who asked for it.
    pub client_id: String,
    /// The tenant.
    pub tenant_id: Uuid,
    /// The organization.
    pub org_id: Uuid,
    /// The user's roles.
    pub roles: Vec<String>,
    /// The tenant's plan.
    pub plan: String,
}

/// A made token.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The JWT.
    pub token: String,
    /// Seconds until it ends.
    pub expires_in: i64,
}

/// Signs an access token for a session.
///
/// # Errors
/// [`Error::KeyMissing`]
pub fn mint(
    tools: &Tools,
    signers: &Signers,
    session: &session::Model,
    subject: &Subject,
) -> Result<Minted, Error> {
    let now = tools.clock.now().timestamp();
    let lifetime = i64::try_from(tools.config.section::<Settings>().access_lifetime.as_secs()).unwrap_or(300);
    let claims = Claims {
        iss: subject.issuer.clone(),
        sub: subject.user.to_string(),
        aud: session.audience.clone(),
        exp: now.saturating_add(lifetime),
        iat: now,
        scope: session.scope.clone(),
        jti: platform::ids::new().to_string(),
        sid: session.id,
        client_id: session.client_id.clone(),
        tenant_id: subject.tenant,
        org_id: subject.organization,
        roles: vec![subject.role.name().to_owned()],
        plan: subject.plan.clone(),
    };
    let token = signers.sign(subject.realm, Some(TYPE), &claims)?;
    Ok(Minted { token, expires_in: lifetime })
}

/// Signs claims with the key of `realm`, as a token of type `typ`.
pub async fn sign_for(
    service: &PlatformService,
    keys: &Keyring,
    realm: Option<Uuid>,
    typ: &str,
    claims: &impl Serialize,
) -> Result<String, Error> {
    keys.signing(service, realm).await?.sign(Some(typ), claims)
}

/// The claims of an ID token that we signed, whether it is over or not: as a hint of who signs out (OpenID Connect RP-Initiated
/// Logout, section 2). `None` for anything else, an access token included.
///
/// # Errors
/// [`Error`] if the keys can't be read.
pub async fn verify_id_token(
    service: &PlatformService,
    keys: &Keyring,
    token: &str,
) -> Result<Option<IdTokenHint>, Error> {
    if token.len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    let Some(header) = header(token) else { return Ok(None) };
    let (Some(kid), None | Some("JWT"), Algorithm::ES256) = (&header.kid, header.typ.as_deref(), header.alg)
    else {
        return Ok(None);
    };
    let Some(claimed) = unverified::<IdTokenHint>(token) else { return Ok(None) };
    let realm = (claimed.iss != service.config.public_url()).then_some(claimed.tenant_id);
    let Some(key) = keys.verifying(service, realm, kid).await? else { return Ok(None) };
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    Ok(decode::<IdTokenHint>(token, &key.verifies, &validation).ok().map(|verified| verified.claims))
}

/// What of an ID token tells who signs out.
#[derive(Clone, Debug, Deserialize)]
pub struct IdTokenHint {
    /// Issuer.
    pub iss: String,
    /// The client.
    pub aud: String,
    /// The session.
    pub sid: Uuid,
    /// The tenant.
    pub tenant_id: Uuid,
}

/// Signs claims with the platform's key: a token that isn't an access token, of type `typ`.
pub async fn sign(
    service: &PlatformService,
    keys: &Keyring,
    typ: &str,
    claims: &impl Serialize,
) -> Result<String, Error> {
    sign_for(service, keys, None, typ, claims).await
}

/// The claims of one of our own access tokens; `None` for anything else, an expired one included. Whether its session
/// still lives is asked of the store.
///
/// # Errors
/// [`Error`] if the keys can't be read.
pub async fn verify(
    service: &PlatformService,
    keys: &Keyring,
    token: &str,
    now: Timestamp,
) -> Result<Option<Claims>, Error> {
    if token.len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    let Some(header) = header(token) else { return Ok(None) };
    let (Some(kid), Some(TYPE), Algorithm::ES256) = (&header.kid, header.typ.as_deref(), header.alg) else {
        return Ok(None);
    };
    // Which realm's keys to ask is read from the unverified claims; those keys then decide.
    let Some(claimed) = unverified::<Claims>(token) else { return Ok(None) };
    let platform = service.config.public_url();
    let realm = (claimed.iss != platform).then_some(claimed.tenant_id);
    let Some(key) = keys.verifying(service, realm, kid).await? else { return Ok(None) };
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.set_issuer(&[&claimed.iss]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let Ok(verified) = decode::<Claims>(token, &key.verifies, &validation) else { return Ok(None) };
    let same_realm = key.realm == realm
        && (realm.is_none() || verified.claims.iss.starts_with(&format!("{platform}/realms/")));
    Ok(Some(verified.claims).filter(|claims| same_realm && claims.exp > now.timestamp()))
}

/// The header of a JWT whose signature we can verify; `None` also where it [demands extensions](demands_extensions).
pub fn header(token: &str) -> Option<Header> {
    decode_header(token).ok().filter(|_| !demands_extensions(token))
}

/// Whether a JWT is only for who understands some extension of its format (RFC 7515, section 4.1.11): we know none.
pub fn demands_extensions(token: &str) -> bool {
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header: Option<serde_json::Map<String, serde_json::Value>> =
        header.and_then(|header| serde_json::from_slice(&header).ok());
    header.is_some_and(|header| header.contains_key("crit"))
}

/// What a JWT claims, before anybody has looked at its signature: only good for finding the key that it should verify with. `None` also
/// where a claim stands twice (RFC 7519, section 4).
pub fn unverified<T: DeserializeOwned>(token: &str) -> Option<T> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    if json_core::repeated_name(&payload, json_core::Names::Exact).is_some() {
        return None;
    }
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_whose_claims_have_two_readings_has_none() {
        let token = |claims: &str| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        let read = |claims: &str| unverified::<serde_json::Value>(&token(claims));
        assert_eq!(read(r#"{"sub":"a"}"#).unwrap()["sub"], "a");
        assert!(read(r#"{"sub":"a","sub":"b"}"#).is_none());
        assert!(read(r#"{"act":{"sub":"a","\u0073ub":"b"}}"#).is_none());
    }
}
