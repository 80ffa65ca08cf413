//! Requests that are too many are removed, however young they are.

use platform::retention::SWEPT_AT_ONCE;
use platform::{DbError, PlatformTx, PlatformView};

use crate::store::requests::{self, TooMany};

/// Requests kept of one organization.
const REQUESTS_MAX: u64 = 20_000;
/// Organizations with more than that which are looked at in one go.
const FULL_AT_ONCE: u64 = 1_000;

/// Which requests are too many. All are counted for that, so it is asked once, of a reader that holds up nobody.
pub async fn too_many(view: &PlatformView) -> Result<Vec<TooMany>, DbError> {
    let mut found = Vec::new();
    for (tenant, organization) in
        requests::organizations_with_more_than(view, REQUESTS_MAX, FULL_AT_ONCE).await?
    {
        if let Some(upto) = requests::newest_beyond(view, tenant, organization, REQUESTS_MAX).await? {
            found.push(TooMany { tenant: tenant.0, organization: organization.0, upto });
        }
    }
    Ok(found)
}

/// Removes some of the requests that are too many, of all organizations together as many as a sweep takes; fewer than that
/// means that no more are left.
pub async fn trim(tx: &mut PlatformTx, too_many: &[TooMany]) -> Result<u64, DbError> {
    let mut removed = 0;
    for one in too_many {
        let left = SWEPT_AT_ONCE.saturating_sub(removed);
        if left == 0 {
            break;
        }
        removed += requests::remove_up_to(tx, one, left).await?;
    }
    Ok(removed)
}
