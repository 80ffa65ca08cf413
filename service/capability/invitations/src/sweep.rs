//! What is over is marked as over, by the clock; redeeming never waits for it.

use chrono::TimeDelta;
use entity::invitations::invitation::{Column, Entity, Model};
use entity::invitations::states::{InvitationStatus, InvitationVerb};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Tx, Work as _};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;
use web::Service;

use crate::error::Error;
use crate::{ops, store};

/// How long it can be read what became of a batch.
const BATCHES_RETENTION: TimeDelta = TimeDelta::days(90);
/// Invitations of one round.
const ROUND: u64 = 500;

/// Marks invitations that were not accepted in time, and frees their seats. Answers how many.
///
/// # Errors
/// [`Error::Store`].
pub async fn sweep(service: &Service) -> Result<usize, Error> {
    let over = async |view: &PlatformView| {
        let select = view.across::<Entity>().select_only().columns([Column::TenantId, Column::Id]);
        let select = select.filter(Column::Status.eq(InvitationStatus::Pending));
        let select = select.filter(Column::ExpiresAt.lte(view.now()));
        view.tuples::<_, (Uuid, Uuid)>(select.order_by_asc(Column::ExpiresAt).limit(ROUND)).await
    };
    let over = service.db.read_platform(over).await?;
    for (tenant, id) in &over {
        let work = async |tx: &mut Tx| {
            tx.housekeeping();
            let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(*id))).await?;
            let may_expire = |row: &Model| row.status.after(InvitationVerb::Expire).is_some();
            let still = found.filter(|row| may_expire(row) && row.expires_at <= tx.now());
            match still {
                Some(row) => ops::expire(tx, row).await,
                None => Ok(()),
            }
        };
        service.db.write(&Ctx::system("invitations"), *tenant, work).await?;
    }
    Ok(over.len())
}

/// Removes batches that were done long ago, and what became of their lines; the invitations themselves stay.
pub async fn sweep_batches(tx: &PlatformTx) -> Result<u64, DbError> {
    let before = tx.now() - BATCHES_RETENTION;
    Ok(store::remove_batch_rows(tx, before).await? + store::remove_empty_batches(tx, before).await?)
}
