//! Who gets no mail, and why: what relays and mail providers say of addresses.

use entity::mail::states::{MailStatus, SuppressionReason};
use entity::mail::{message, suppression};
use identity_core::fold;
use platform::refusal::Invalid;
use platform::{Ctx, DbError, PlatformTx, Target, Work as _};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;
use web::PlatformService;

use crate::error::Error;
use crate::store;

/// No mail goes to this address any more.
pub(crate) async fn suppress(
    service: &PlatformService,
    address: &str,
    reason: SuppressionReason,
    detail: &str,
) -> Result<(), DbError> {
    let work = async |tx: &mut PlatformTx| store_suppression(tx, address, reason, Some(detail)).await;
    service.db.write(&Ctx::system("mail"), work).await
}

/// Keeps a suppression; one that is there already stays.
pub(crate) async fn store_suppression(
    tx: &mut PlatformTx,
    address: &str,
    reason: SuppressionReason,
    detail: Option<&str>,
) -> Result<(), DbError> {
    let key = fold(address);
    let detail = detail.map(|text| text.chars().take(500).collect::<String>());
    store::suppress(tx, &key, reason, detail).await?;
    // An address is somebody's: the trail names it by its domain only.
    let domain = key.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
    let target = Target::new("mail_suppression", domain).with(json!({"reason": reason}));
    tx.record("mail_suppression.create", target);
    Ok(())
}

pub(crate) async fn lift(tx: &mut PlatformTx, address: &str) -> Result<(), Error> {
    let found = tx.platform::<suppression::Entity>();
    let found = tx.one(found.filter(suppression::Column::AddressKey.eq(fold(address)))).await?;
    let row = found.ok_or(Error::NotFound)?;
    let domain = row.address_key.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
    tx.delete(row).await?;
    tx.record("mail_suppression.delete", Target::new("mail_suppression", domain));
    Ok(())
}

/// What a mail provider says of a mail that it took.
pub(crate) struct Bounce<'a> {
    pub(crate) message: Option<Uuid>,
    pub(crate) recipient: Option<&'a str>,
    pub(crate) kind: &'a str,
    pub(crate) detail: Option<&'a str>,
}

/// Notes a bounce at its mail; a hard one, or a complaint, ends mail to the address. Answers whether it did.
pub(crate) async fn take(tx: &mut PlatformTx, bounce: Bounce<'_>) -> Result<bool, Error> {
    let mut address = bounce.recipient.map(ToOwned::to_owned);
    if let Some(id) = bounce.message {
        let found = tx.one(tx.across::<message::Entity>().filter(message::Column::Id.eq(id))).await?;
        let row = found.ok_or(Error::NotFound)?;
        address = Some(row.recipient.clone());
        let reason = bounce.detail.unwrap_or(bounce.kind).chars().take(500).collect();
        let tenant = row.tenant_id;
        tx.update(message::Model { status: MailStatus::Bounced, reason: Some(reason), ..row }).await?;
        let target = Target::new("mail", id).with(json!({"kind": bounce.kind}));
        tx.record_for(tenant, "mail.bounce", target);
    }
    let address = address.ok_or_else(|| Invalid::at("/recipient", "is required without a messageId"))?;
    let reason = match bounce.kind {
        "hard" => SuppressionReason::HardBounce,
        "complaint" => SuppressionReason::Complaint,
        _ => {
            tx.housekeeping();
            return Ok(false);
        }
    };
    store_suppression(tx, &address, reason, bounce.detail).await?;
    Ok(true)
}
