//! OAuth 2 client credentials (RFC 6749, section 4.4) for SCIM: a client proves itself by its secret, or by an assertion
//! that its private key signed (RFC 7523), and gets a token for an hour.
//!
//! The token is sealed, so nobody else can make one; the client's row is looked at on each use, so revoking the client
//! ends its tokens too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use entity::scim::assertion;
use entity::scim::states::{TokenKind, TokenVerb};
use entity::scim::token::{Column, Entity, Model};
use entity::tenancy::status::Asks;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use platform::crypto::{SecretKind, StoredSecret};
use platform::{Ctx, Target, Tx, Work as _};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sessions::{ClientCredentials, Granted};
use uuid::Uuid;
use web::{TenantService, Tools};

use crate::error::Error;
use crate::store;

/// What an access token begins with.
const ACCESS_PREFIX: &str = "tnt_scimat_";
const PURPOSE: &str = "scim_access";
/// Seconds of an access token.
const LIFETIME_SECONDS: i64 = 3600;
/// An assertion may be good for so long at most, in seconds: so long its id is remembered.
const ASSERTION_SECONDS_MAX: i64 = 600;
/// Clocks may differ by so many seconds.
const LEEWAY_SECONDS: i64 = 60;
/// Keys of one client.
const KEYS_MAX: usize = 10;
const SCOPE: &str = "scim";

/// An access token, opened.
pub(crate) struct AccessToken {
    pub(crate) client: Uuid,
    /// When it ends, in seconds.
    pub(crate) until: i64,
}

#[derive(Serialize, Deserialize)]
struct Inside {
    until: i64,
}

impl AccessToken {
    fn seal(&self, tools: &Tools) -> Result<String, Error> {
        let plain = serde_json::to_vec(&Inside { until: self.until }).map_err(Error::internal)?;
        let sealed = tools.envelope.seal(PURPOSE, self.client.as_bytes(), &plain)?;
        Ok(format!("{ACCESS_PREFIX}{}_{}", self.client.simple(), URL_SAFE_NO_PAD.encode(sealed)))
    }

    pub(crate) fn open(tools: &Tools, text: &str) -> Option<Self> {
        let (client, sealed) = text.strip_prefix(ACCESS_PREFIX)?.split_once('_')?;
        let client = Uuid::try_parse(client).ok()?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = tools.envelope.open(PURPOSE, client.as_bytes(), &sealed).ok()?;
        let inside: Inside = serde_json::from_slice(&plain).ok()?;
        Some(Self { client, until: inside.until })
    }
}

/// Whether a value is a set of public keys that can verify an assertion.
pub(crate) fn is_key_set(value: &Value) -> bool {
    let Ok(set) = serde_json::from_value::<JwkSet>(value.clone()) else { return false };
    let private =
        value.get("keys").and_then(Value::as_array).into_iter().flatten().any(|key| key.get("d").is_some());
    (1..=KEYS_MAX).contains(&set.keys.len())
        && !private
        && set.keys.iter().all(|key| algorithms(key).is_some())
}

fn algorithms(key: &Jwk) -> Option<Vec<Algorithm>> {
    use jsonwebtoken::jwk::EllipticCurve;
    match &key.algorithm {
        AlgorithmParameters::RSA(_) => Some(vec![Algorithm::RS256, Algorithm::PS256]),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Some(vec![Algorithm::ES256]),
            EllipticCurve::P384 => Some(vec![Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(_) => Some(vec![Algorithm::EdDSA]),
        _ => None,
    }
}

/// The client that credentials name, proven or not.
///
/// # Errors
/// [`Error::Unauthenticated`]
pub(crate) fn client_of(credentials: &ClientCredentials) -> Result<Uuid, Error> {
    let id = match (&credentials.client_id, &credentials.assertion) {
        (Some(id), _) => id.clone(),
        (None, Some(assertion)) => subject(assertion).ok_or(Error::Unauthenticated)?,
        (None, None) => return Err(Error::Unauthenticated),
    };
    Uuid::try_parse(&id).map_err(|_| Error::Unauthenticated)
}

/// Grants a client its token.
///
/// # Errors
/// [`Error::Unauthenticated`] whatever is wrong with what it shows; then [`Error::Tenant`], [`Error::ScopeUnknown`]
pub(crate) async fn grant(
    service: &TenantService,
    ctx: &Ctx,
    id: Uuid,
    credentials: ClientCredentials,
) -> Result<Granted, Error> {
    let assertion = credentials.assertion.as_deref();
    let now = service.clock.now();
    let find = async |view: &platform::View| {
        let client = view.one(view.select::<Entity>().filter(Column::Id.eq(id))).await?;
        let of = tenancy::find(view).await?;
        Ok::<_, platform::DbError>(client.zip(of))
    };
    let (client, of) = service.db.read(find).await?.ok_or(Error::Unauthenticated)?;
    let over = client.state(now).after(TokenVerb::Use).is_none();
    if over || client.kind != TokenKind::Client {
        return Err(Error::Unauthenticated);
    }
    let proof = match (&client.jwks, assertion, &credentials.client_secret) {
        (Some(jwks), Some(assertion), None) => {
            Proof::Assertion(verify(service, &client, jwks, assertion).ok_or(Error::Unauthenticated)?)
        }
        (None, None, Some(secret)) => {
            let (hash, mac) = (&client.secret_hash, client.secret_mac.as_deref());
            let stored = StoredSecret { kind: SecretKind::ScimToken, id, hash, mac };
            let right = service.secrets.recognise(secret, stored).await?.right();
            Proof::Secret { missing_mac: right.ok_or(Error::Unauthenticated)? }
        }
        _ => return Err(Error::Unauthenticated),
    };
    // Only now: nobody else learns where the tenant stands.
    of.status.admits(Asks::Directories)?;
    if credentials
        .scope
        .as_deref()
        .is_some_and(|scope| scope.split(' ').any(|one| !one.is_empty() && one != SCOPE))
    {
        return Err(Error::ScopeUnknown);
    }
    let access = AccessToken { client: id, until: now.timestamp() + LIFETIME_SECONDS };
    let granted = Granted { access_token: access.seal(service)?, expires_in: LIFETIME_SECONDS, scope: SCOPE };
    // Last: an assertion is used up, and whoever was refused for something else may send it again.
    let record = async |tx: &mut Tx| match proof {
        Proof::Assertion(claims) => take(tx, id, claims).await,
        Proof::Secret { missing_mac } => {
            if let Some(mac) = missing_mac {
                store::tokens::set_mac(tx, id, mac).await?;
            }
            tx.record("scim_client.authenticate", Target::new("scim_token", id));
            Ok(())
        }
    };
    service.db.write(ctx, record).await?;
    Ok(granted)
}

/// By what a client is known.
enum Proof {
    Assertion(Claims),
    Secret { missing_mac: Option<Vec<u8>> },
}

/// What an assertion says (RFC 7523, section 3).
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
    nbf: Option<i64>,
    jti: String,
}

fn subject(assertion: &str) -> Option<String> {
    sessions::unverified::<Claims>(assertion).map(|claims| claims.sub)
}

fn verify(tools: &Tools, client: &Model, jwks: &Value, assertion: &str) -> Option<Claims> {
    let set: JwkSet = serde_json::from_value(jwks.clone()).ok()?;
    let header = sessions::header(assertion)?;
    let claims = set.keys.iter().find_map(|key| {
        let named = key.common.key_id.as_ref().zip(header.kid.as_ref());
        let usable = algorithms(key)?.contains(&header.alg) && named.is_none_or(|(one, other)| one == other);
        let key = DecodingKey::from_jwk(key).ok().filter(|_| usable)?;
        // Times and audience are compared below, with our clock.
        let mut validation = Validation::new(header.alg);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        decode::<Claims>(assertion, &key, &validation).ok().map(|token| token.claims)
    })?;
    let now = tools.clock.now().timestamp();
    let public = tools.config.public_url();
    let audiences = [public.clone(), format!("{public}/oauth2/token")];
    let meant = |value: &Value| value.as_str().is_some_and(|text| audiences.iter().any(|one| one == text));
    let for_us = match &claims.aud {
        Value::Array(all) => all.iter().any(meant),
        one => meant(one),
    };
    let id = client.id.to_string();
    let in_time = claims.exp > now - LEEWAY_SECONDS
        && claims.exp <= now + ASSERTION_SECONDS_MAX + LEEWAY_SECONDS
        && claims.nbf.is_none_or(|from| from <= now + LEEWAY_SECONDS);
    let named = claims.iss == id && claims.sub == id && (1..=200).contains(&claims.jti.len());
    (for_us && in_time && named).then_some(claims)
}

/// Takes an assertion, once.
async fn take(tx: &mut Tx, client: Uuid, claims: Claims) -> Result<(), Error> {
    let expires_at =
        DateTime::from_timestamp(claims.exp, 0).unwrap_or(tx.now()) + TimeDelta::seconds(LEEWAY_SECONDS);
    let row = assertion::Model { tenant_id: tx.tenant(), client_id: client, jti: claims.jti, expires_at };
    if !tx.insert_unless_there(row).await? {
        return Err(Error::Unauthenticated);
    }
    tx.record("scim_client.authenticate", Target::new("scim_token", client));
    Ok(())
}
