//! A tenant goes to another instance, another realm or org, or both; or stays where it was.

pub(super) mod copy;
pub(super) mod drain;
mod ends;
pub(super) mod realm;
pub(super) mod release;
pub(super) mod reserve;
pub(super) mod switch;
pub(super) mod verify;

use platform::Tx;
use tenancy::TenantMoveFailed;

use crate::error::Error;

pub(crate) use ends::{End, Realm};

pub(super) async fn failed(tx: &mut Tx) -> Result<(), Error> {
    let row = tenancy::get(tx).await?;
    tenancy::record_event::<TenantMoveFailed>(tx, &row, "tenant.move_fail");
    Ok(())
}
