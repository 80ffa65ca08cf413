//! How a request comes to the tenant of a token, and what is done with the token there.

use entity::directory::user;
use entity::sessions::session;
use platform::crypto::sha256;
use sessions::{Claims, Keyring};
use uuid::Uuid;
use web::{Caller, TenantCaller};

use crate::error::Error;
use crate::ops::tokens::{self, Pair};

/// Changes a code into tokens: code, redirect URI and verifier.
pub(super) async fn redeem(
    caller: &Caller,
    keys: &Keyring,
    (code, redirect_uri, verifier): (&str, &str, &str),
    client_id: &str,
) -> Result<Pair, Error> {
    let digest = sha256(code.as_bytes());
    let tenant = caller.at(sign_in::by_authorization_code(&digest)).await?.ok_or(Error::GrantInvalid)?;
    let parts = (digest.as_slice(), redirect_uri, verifier);
    tokens::redeem(caller.platform(), tenant.db(), keys, &caller.ctx, parts, client_id).await
}

/// Uses a refresh token up. `may` decides whether the client at hand may use the session.
pub(super) async fn refresh(
    caller: &Caller,
    keys: &Keyring,
    token: &str,
    may: impl Fn(&session::Model) -> bool,
) -> Result<Pair, Error> {
    let digest = sha256(token.as_bytes());
    let tenant = caller.at(sessions::by_refresh_token(&digest)).await?.ok_or(Error::GrantInvalid)?;
    tokens::refresh(caller.platform(), tenant.db(), keys, &caller.ctx, &digest, may).await
}

/// The claims of an access token whose session lives, and its tenant.
pub(super) async fn introspected(
    caller: &Caller,
    keys: &Keyring,
    token: &str,
) -> Result<Option<(TenantCaller, Claims)>, Error> {
    let verified = sessions::verify(caller.platform(), keys, token, caller.now()).await?;
    let Some(claims) = verified else { return Ok(None) };
    let tenant = caller.within(claims.tenant_id);
    let is_live = tenant.read(async |view| tokens::is_live(view, &claims).await).await?;
    Ok(is_live.then_some((tenant, claims)))
}

/// The person of an access token, if session, person and tenant live; and whether the tenant answers for their address.
pub(super) async fn person(
    caller: &Caller,
    keys: &Keyring,
    token: &str,
) -> Result<Option<(Claims, user::Model, bool)>, Error> {
    let Some((tenant, claims)) = introspected(caller, keys, token).await? else { return Ok(None) };
    let found = tenant.read(async |view| tokens::person(view, &claims).await).await?;
    Ok(found.map(|(user, verified)| (claims, user, verified)))
}

/// The session of an access or refresh token, and its tenant.
async fn session_of(
    caller: &Caller,
    keys: &Keyring,
    token: &str,
) -> Result<Option<(TenantCaller, Uuid)>, Error> {
    let digest = sha256(token.as_bytes());
    match caller.at(sessions::by_refresh_token(&digest)).await? {
        Some(tenant) => {
            let find = async |view: &platform::View| sessions::session_of_refresh(view, &digest).await;
            Ok(tenant.read(find).await?.map(|session| (tenant, session)))
        }
        None => Ok(introspected(caller, keys, token).await?.map(|(tenant, claims)| (tenant, claims.sid))),
    }
}

/// Ends the session of an access or refresh token. A token that is none is none already.
pub(super) async fn revoked(
    caller: &Caller,
    keys: &Keyring,
    token: &str,
    may: impl Fn(&session::Model) -> bool,
) -> Result<(), Error> {
    match session_of(caller, keys, token).await? {
        Some((tenant, session)) => tenant.write(async |tx| tokens::revoke(tx, session, may).await).await,
        None => Ok(()),
    }
}
