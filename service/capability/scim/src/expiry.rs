//! Tokens that will end: told 30, 7 and 1 days before, by event and by mail, once each.

use chrono::TimeDelta;
use entity::scim::token::{Column, Entity, Model};
use mail::NewMail;
use platform::{Ctx, PlatformView, Target, Timestamp, Tx, Work as _};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;
use web::{Service, Tools};

use crate::error::Error;

/// Days before a token's end at which it is told.
const WARNINGS: [i64; 3] = [1, 7, 30];
/// Tokens in one look.
const BATCH: u64 = 200;

platform::events! {
    /// A SCIM token expires soon.
    pub(crate) struct TokenExpiring = "scim_token.expiring" {
        organization_id: Uuid,
        token_id: Uuid,
        expires_at: Timestamp,
    }
}

/// The smallest warning that is due.
fn due(left: TimeDelta) -> Option<i64> {
    WARNINGS.into_iter().find(|days| left <= TimeDelta::days(*days))
}

/// Warns of tokens that will end; tells how many warnings went out.
///
/// # Errors
/// [`Error::Store`], [`Error::Mail`]
pub async fn warn(service: &Service) -> Result<usize, Error> {
    let now = service.clock.now();
    let find = async |view: &PlatformView| {
        let soon = now + TimeDelta::days(30);
        let unwarned = Condition::any().add(Column::WarnedDays.is_null()).add(Column::WarnedDays.gt(1));
        let select = view
            .across::<Entity>()
            .filter(Column::RevokedAt.is_null())
            .filter(Column::ReplacedBy.is_null())
            .filter(Column::ExpiresAt.gt(now))
            .filter(Column::ExpiresAt.lte(soon))
            .filter(unwarned);
        view.all(select.order_by_asc(Column::ExpiresAt).limit(BATCH)).await
    };
    let mut warned = 0;
    for row in service.db.read_platform(find).await? {
        let Some(expires_at) = row.expires_at else { continue };
        let Some(days) = due(expires_at - now).filter(|days| row.warned_days.is_none_or(|last| *days < last))
        else {
            continue;
        };
        let warn_one = async |tx: &mut Tx| warn_one(tx, service, &row, days).await;
        service.db.write(&Ctx::system("token expiry"), row.tenant_id, warn_one).await?;
        warned += 1;
    }
    Ok(warned)
}

async fn warn_one(tx: &mut Tx, tools: &Tools, row: &Model, days: i64) -> Result<(), Error> {
    let Some(expires_at) = row.expires_at else { return Ok(()) };
    // Nothing else of the row, which was read a while ago: it may have been revoked, or replaced, since.
    let change = tx.change::<Entity>().col_expr(Column::WarnedDays, Expr::value(days));
    let counts = change.filter(Column::Id.eq(row.id)).filter(Column::RevokedAt.is_null());
    if tx.apply(counts.filter(Column::ReplacedBy.is_null())).await? == 0 {
        tx.housekeeping();
        return Ok(());
    }
    tx.record("scim_token.warn", Target::new("scim_token", row.id).with(json!({"days": days})));
    tx.emit(&TokenExpiring { organization_id: row.organization_id, token_id: row.id, expires_at });
    let Some(tenant) = tenancy::find(tx).await? else { return Ok(()) };
    let values = json!({
        "tenant": tenant.name, "token": row.name, "expires_at": expires_at,
    });
    for address in directory::admin_addresses(tx, &tenant).await? {
        let occasion = format!("{}:{days}", row.id);
        let mail = NewMail::new("token-expiring", &address, occasion, values.clone());
        let mail = NewMail { organization: Some(row.organization_id), ..mail };
        mail::notify(tx, tools, mail).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_warning_is_due() {
        assert_eq!(due(TimeDelta::days(31)), None);
        assert_eq!(due(TimeDelta::days(30)), Some(30));
        assert_eq!(due(TimeDelta::days(6)), Some(7));
        assert_eq!(due(TimeDelta::hours(3)), Some(1));
    }
}
