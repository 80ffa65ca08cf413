//! Operators' sessions: a cookie of our own pages.

use chrono::TimeDelta;
use entity::operators::operator_session::{Column, Entity, Model};
use entity::operators::states::SignInMethod;
use platform::crypto::{one_time_secret, sha256};
use platform::{DbError, PlatformTx, PlatformView, Target, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

/// What an operator's cookie begins with.
pub const PREFIX: &str = "tnt_os_";
/// How long an operator stays signed in.
const LIFETIME: TimeDelta = TimeDelta::hours(8);
/// How long one who came in by a recovery code does: long enough to enrol a passkey and mend what is broken.
const RECOVERED_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// Opens a session; answers its cookie's value and the seconds that it counts.
pub(crate) async fn open(
    tx: &mut PlatformTx,
    operator: Uuid,
    method: SignInMethod,
) -> Result<(String, i64), DbError> {
    let (secret, digest) = one_time_secret(PREFIX);
    let lifetime = match method {
        SignInMethod::RecoveryCode => RECOVERED_LIFETIME,
        SignInMethod::Passkey | SignInMethod::Password => LIFETIME,
    };
    let row = Model {
        id: ids::new(),
        operator_id: operator,
        digest: digest.to_vec(),
        method,
        created_at: tx.now(),
        expires_at: tx.now() + lifetime,
        ended_at: None,
    };
    tx.record("operator.sign_in", Target::new("operator", operator).with(json!({"method": method})));
    tx.insert(row).await?;
    Ok((secret.to_string(), lifetime.num_seconds()))
}

/// The living session of a cookie.
pub(crate) async fn find(view: &PlatformView, cookie: &str) -> Result<Option<Model>, DbError> {
    let digest = sha256(cookie.as_bytes()).to_vec();
    let found = view.one(view.platform::<Entity>().filter(Column::Digest.eq(digest))).await?;
    Ok(found.filter(|row| row.ended_at.is_none() && row.expires_at > view.now()))
}

/// Ends a session.
pub(crate) async fn end(tx: &mut PlatformTx, cookie: &str) -> Result<(), DbError> {
    tx.housekeeping();
    if let Some(row) = find(tx, cookie).await? {
        tx.record("operator.sign_out", Target::new("operator", row.operator_id));
        tx.update(Model { ended_at: Some(tx.now()), ..row }).await?;
    }
    Ok(())
}
