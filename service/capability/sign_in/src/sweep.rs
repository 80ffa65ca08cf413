//! What is over is removed.

use chrono::TimeDelta;
use platform::retention::{self, Retained};
use platform::{DbError, PlatformTx};
use web::Tools;

use crate::settings::Settings;

/// Removes attempts that are kept long enough, and everything else whose time is over.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn sweep(tx: &mut PlatformTx, tools: &Tools) -> Result<u64, DbError> {
    let kept =
        TimeDelta::from_std(tools.config.section::<Settings>().sign_ins_kept).unwrap_or(TimeDelta::days(30));
    let (now, old) = (tx.now(), tx.now() - kept);
    let mut removed = 0;
    for ((table, key, until), before) in [
        (("sign_in", "tenant_id, id", "started_at"), old),
        (("assertion_use", "tenant_id, connection_id, assertion_id", "expires_at"), now),
        (("authorization_code", "tenant_id, digest", "expires_at"), now - TimeDelta::hours(1)),
    ] {
        removed += retention::remove(tx, Retained { table, key, until }, before).await?;
    }
    Ok(removed)
}

/// How long a sign-in to which nothing came back is shown as abandoned.
const ABANDONED_KEPT: TimeDelta = TimeDelta::minutes(5);

/// Removes what was begun and never finished, soon after its time is over: anybody can begin. Called every minute.
///
/// # Errors
/// [`DbError`].
pub async fn sweep_begun(tx: &mut PlatformTx) -> Result<u64, DbError> {
    let now = tx.now();
    let until = "status IN ('started', 'answered') AND expires_at";
    let sign_ins = Retained { table: "sign_in", key: "tenant_id, id", until };
    let requests = Retained { table: "authorization_request", key: "id", until: "expires_at" };
    let removed = retention::remove(tx, sign_ins, now - ABANDONED_KEPT).await?;
    Ok(removed + retention::remove(tx, requests, now).await?)
}
