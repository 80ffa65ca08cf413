//! What is over is marked as over, by the clock; redeeming never waits for it.

use entity::invitations::invitation::{Column, Entity};
use entity::platform::outbox_event;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Tx, Work as _};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;
use web::{Problem, Service};

use crate::batch::Arrive;
use crate::ops;

/// Invitations of one round.
const ROUND: u64 = 500;

/// Marks invitations that were not accepted in time, and frees their seats. Answers how many.
///
/// # Errors
/// `internal`.
pub async fn sweep(service: &Service) -> Result<usize, Problem> {
    let over = async |view: &PlatformView| {
        let select = view.across::<Entity>().select_only().columns([Column::TenantId, Column::Id]);
        let select = select.filter(Column::Status.eq("pending")).filter(Column::ExpiresAt.lte(view.now()));
        view.tuples::<_, (Uuid, Uuid)>(select.order_by_asc(Column::ExpiresAt).limit(ROUND)).await
    };
    let over = service.db.read_platform(over).await?;
    for (tenant, id) in &over {
        let work = async |tx: &mut Tx| {
            tx.housekeeping();
            let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(*id))).await?;
            let still = found.filter(|row| row.status == "pending" && row.expires_at <= tx.now());
            match still {
                Some(row) => ops::expire(tx, row).await,
                None => Ok(()),
            }
        };
        service.db.write(&Ctx::system("invitations"), *tenant, work).await?;
    }
    Ok(over.len())
}

/// Hears that somebody who was invited came in by an identity provider.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals;

impl Subscriber for Arrivals {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        async move {
            for event in events.iter().filter(|event| event.r#type == "user.arrived") {
                let id = |name: &str| {
                    event.data.get(name).and_then(Value::as_str).and_then(|id| Uuid::try_parse(id).ok())
                };
                let (invitation, user) = (id("invitationId"), id("userId"));
                if let (Some(tenant), Some(invitation), Some(user)) = (event.tenant_id, invitation, user) {
                    tx.enqueue(&Arrive { tenant, invitation, user });
                }
            }
            Ok(())
        }
        .boxed_local()
    }
}
