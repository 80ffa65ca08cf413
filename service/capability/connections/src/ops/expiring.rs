//! Certificates and client secrets that end soon: admins are warned.

use chrono::TimeDelta;
use entity::connections::connection;
use mail::NewMail;
use platform::{Ctx, DbError, PlatformView, Target, Timestamp, Tx, Work as _};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;
use web::{Service, Tools};

use super::connections::{Connection, Kind};
use crate::error::Error;
use crate::settings::due;

/// Connections that are looked at in one round.
const BATCH: u64 = 500;

platform::events! {
    /// A certificate or client secret of a connection expires soon.
    pub(crate) struct ConnectionExpiring = "connection.expiring" {
        organization_id: Uuid,
        connection_id: Uuid,
        what: String,
        expires_at: Timestamp,
        days_until_expiry: i64,
    }
}

/// What of a connection ends first.
fn first_end(one: &Connection) -> Option<(&'static str, Timestamp)> {
    let secret = one.row.secret_expires_at.map(|at| ("client secret", at));
    let certificate = match &one.kind {
        // The last certificate that still counts: one that ends while its successor is known already is no trouble.
        Kind::Saml(_, Some(provider)) => {
            provider.usable().into_iter().map(|one| one.not_after).max().map(|at| ("signing certificate", at))
        }
        _ => None,
    };
    secret.into_iter().chain(certificate).min_by_key(|(_, at)| *at)
}

/// Warns of certificates and secrets that end in 30, 14, 7 and 1 days, once each; tells how many warnings went out.
pub async fn warn(service: &Service) -> Result<usize, Error> {
    let now = service.db.clock().now();
    let (mut warned, mut after) = (0, None);
    loop {
        let find = async |view: &PlatformView| {
            let mut select = view.across::<connection::Entity>().filter(connection::Column::Enabled.eq(true));
            if let Some(after) = after {
                select = select.filter(connection::Column::Id.gt(after));
            }
            view.all(select.order_by_asc(connection::Column::Id).limit(BATCH)).await
        };
        let rows = service.db.read_platform(find).await?;
        let Some(last) = rows.last().map(|row| row.id) else { return Ok(warned) };
        for row in rows {
            let one = Connection::of(row)?;
            let Some((what, at)) = first_end(&one) else { continue };
            let fresh = |days: &i64| one.row.warned_days.is_none_or(|last| *days < last);
            if let Some(days) = due(at - now).filter(fresh) {
                let warn_one = async |tx: &mut Tx| warn_one(tx, service, &one, (what, at), days).await;
                service.db.write(&Ctx::system("connections"), one.row.tenant_id, warn_one).await?;
                warned += 1;
            } else if at - now > TimeDelta::days(30) && one.row.warned_days.is_some() {
                // Renewed: its next end is told anew.
                let forget = async |tx: &mut Tx| {
                    tx.housekeeping();
                    set_warned(tx, one.row.id, None).await
                };
                service.db.write(&Ctx::system("connections"), one.row.tenant_id, forget).await?;
            }
        }
        after = Some(last);
    }
}

/// Notes at how many days before an end it was told last. Nothing else of the row is written: it was read a while ago, and what an admin
/// did since stays.
async fn set_warned(tx: &Tx, connection: Uuid, days: Option<i64>) -> Result<(), DbError> {
    let change = tx.change::<connection::Entity>();
    let change = change.col_expr(connection::Column::WarnedDays, Expr::value(days));
    tx.apply(change.filter(connection::Column::Id.eq(connection))).await.map(drop)
}

async fn warn_one(
    tx: &mut Tx,
    tools: &Tools,
    one: &Connection,
    (what, at): (&'static str, Timestamp),
    days: i64,
) -> Result<(), Error> {
    set_warned(tx, one.row.id, Some(days)).await?;
    let left = (at - tx.now()).num_days();
    let details = json!({"what": what, "daysUntilExpiry": left});
    tx.record("connection.warn", Target::new("connection", one.row.id).with(details));
    tx.emit(&ConnectionExpiring {
        organization_id: one.row.organization_id,
        connection_id: one.row.id,
        what: what.to_owned(),
        expires_at: at,
        days_until_expiry: left,
    });
    let tenant = tenancy::get(tx).await?;
    let values = json!({
        "tenant": tenant.name, "connection": one.row.name, "what": what,
        "expires_at": at,
    });
    for address in directory::admin_addresses(tx, &tenant).await? {
        let occasion = format!("{}:{what}:{days}:{}", one.row.id, at.timestamp());
        let mail = NewMail::new("connection-expiring", &address, occasion, values.clone());
        let mail = NewMail { organization: Some(one.row.organization_id), ..mail };
        mail::notify(tx, tools, mail).await?;
    }
    Ok(())
}
