//! What is kept no longer: requests that are old or too many, assertions and recorded changes that are over.

use chrono::TimeDelta;
use platform::jobs::SWEPT_AT_ONCE;
use platform::retention::{self, Retained};
use platform::{DbError, PlatformTx, PlatformView};
use uuid::Uuid;

/// How long requests are kept, in days.
const KEPT_DAYS: i64 = 7;
/// Requests kept of one organization.
const KEPT_MAX: u64 = 20_000;
/// Organizations with more than that which are looked at in one go.
const FULL_AT_ONCE: u64 = 1_000;

/// Removes old requests, and assertions and changes that are over.
///
/// # Errors
/// [`DbError`].
pub async fn sweep(tx: &mut PlatformTx) -> Result<u64, DbError> {
    let now = tx.now();
    let days = |days: i64| now - TimeDelta::days(days);
    let mut removed = 0;
    for ((table, key, until), before) in [
        (("scim_request", "tenant_id, organization_id, id", "occurred_at"), days(KEPT_DAYS)),
        (("scim_assertion", "tenant_id, client_id, jti", "expires_at"), now),
        (
            ("directory_change", "tenant_id, organization_id, id", "occurred_at"),
            days(directory::RESTORE_DAYS),
        ),
        (
            ("directory_departed", "tenant_id, organization_id, kind, key", "departed_at"),
            days(directory::DEPARTED_DAYS),
        ),
    ] {
        removed += retention::remove(tx, Retained { table, key, until }, before).await?;
    }
    Ok(removed)
}

/// Requests that are too many, of one organization.
#[derive(Debug)]
pub struct TooMany {
    tenant: Uuid,
    organization: Uuid,
    /// The newest of them.
    upto: Uuid,
}

/// Which requests are too many. All are counted for that, so it is asked once, of a reader that holds up nobody.
///
/// # Errors
/// [`DbError`].
pub async fn too_many(view: &PlatformView) -> Result<Vec<TooMany>, DbError> {
    let full = format!(
        "SELECT tenant_id, organization_id FROM scim_request GROUP BY tenant_id, organization_id \
         HAVING COUNT(*) > {KEPT_MAX} LIMIT {FULL_AT_ONCE}"
    );
    let first_beyond = format!(
        "SELECT id FROM scim_request WHERE tenant_id = $1 AND organization_id = $2 \
         ORDER BY id DESC LIMIT 1 OFFSET {KEPT_MAX}"
    );
    let mut found = Vec::new();
    for row in view.query(&full, vec![]).await? {
        let (tenant, organization): (Uuid, Uuid) =
            (row.try_get("", "tenant_id")?, row.try_get("", "organization_id")?);
        for row in view.query(&first_beyond, vec![tenant.into(), organization.into()]).await? {
            found.push(TooMany { tenant, organization, upto: row.try_get("", "id")? });
        }
    }
    Ok(found)
}

/// Removes some of the requests that are too many, of all organizations together as many as a sweep takes; fewer than that
/// means that no more are left.
///
/// # Errors
/// [`DbError`].
pub async fn trim(tx: &mut PlatformTx, too_many: &[TooMany]) -> Result<u64, DbError> {
    let sql = "DELETE FROM scim_request WHERE tenant_id = $1 AND organization_id = $2 AND id IN (SELECT id FROM scim_request \
               WHERE tenant_id = $1 AND organization_id = $2 AND id <= $3 ORDER BY id LIMIT $4)";
    let mut removed = 0;
    for TooMany { tenant, organization, upto } in too_many {
        let left = SWEPT_AT_ONCE.saturating_sub(removed);
        if left == 0 {
            break;
        }
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        let values = vec![(*tenant).into(), (*organization).into(), (*upto).into(), left.into()];
        removed += tx.execute(sql, values).await?;
    }
    Ok(removed)
}
