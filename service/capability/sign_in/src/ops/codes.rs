//! Authorization codes (RFC 6749, section 4.1.2): handed out with a session, used up once.

use chrono::TimeDelta;
use entity::ids::OrganizationId;
pub use entity::sign_in::authorization_code::Model as AuthorizationCode;
use entity::sign_in::authorization_code::{Column, Entity};
use platform::crypto::one_time_secret;
use platform::{DbError, Target, Tx, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;

use super::authorize::Authorization;
use crate::error::Error;
use crate::store;

/// What a code begins with.
const PREFIX: &str = "tnt_ac_";
/// A code is changed at once.
const LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// A code for the person of a browser's session, if tenant, person and policy still allow it.
pub(crate) async fn grant(tx: &mut Tx, session: Uuid, asked: &Authorization) -> Result<String, Error> {
    tenancy::active(tx).await?;
    let live = sessions::browser(tx, session).await?;
    let live = live.filter(|session| sessions::browser_is_live(session, tx.now()));
    let session = live.ok_or(Error::SessionOver)?;
    let user = directory::user(tx, OrganizationId(session.organization_id), session.user_id).await?;
    if !user.is_some_and(|user| user.may_come()) {
        return Err(Error::UserDeactivated);
    }
    if let Some(connection) = session.connection_id {
        connections::still_holds(tx, session.organization_id, Some(connection)).await?;
    }
    let (code, digest) = one_time_secret(PREFIX);
    let row = AuthorizationCode {
        tenant_id: tx.tenant(),
        digest: digest.to_vec(),
        organization_id: session.organization_id,
        user_id: session.user_id,
        browser_session_id: session.id,
        client_id: asked.client_id.clone(),
        redirect_uri: asked.redirect_uri.clone(),
        code_challenge: asked.code_challenge.clone(),
        nonce: asked.nonce.clone(),
        scope: asked.scope.clone(),
        audience: asked.client_id.clone(),
        issuer: asked.issuer.clone(),
        session_id: None,
        created_at: tx.now(),
        expires_at: tx.now() + LIFETIME,
        used_at: None,
    };
    tx.insert(row).await?;
    sessions::seen_browser(tx, &session).await?;
    let details = serde_json::json!({"clientId": asked.client_id, "userId": session.user_id});
    tx.record("authorization.grant", Target::new("browser_session", session.id).with(details));
    Ok(code.to_string())
}

/// What the redemption of a code finds.
#[derive(Debug)]
pub enum Redemption {
    /// The code, which is used up now, whatever becomes of it.
    First(Box<AuthorizationCode>),
    /// It was used up before.
    Replay(Box<AuthorizationCode>),
}

/// Uses a code up. `None`: there is none such.
pub async fn redeem_code(tx: &Tx, digest: &[u8]) -> Result<Option<Redemption>, DbError> {
    let first = store::use_code(tx, digest).await?;
    let found = tx.one(tx.select::<Entity>().filter(Column::Digest.eq(digest.to_vec()))).await?;
    Ok(found.map(Box::new).map(if first { Redemption::First } else { Redemption::Replay }))
}

/// Records the session that a code was redeemed for: a replay ends it.
pub async fn record_session(tx: &Tx, row: AuthorizationCode, session: Uuid) -> Result<(), DbError> {
    tx.update(AuthorizationCode { session_id: Some(session), used_at: Some(tx.now()), ..row }).await
}
