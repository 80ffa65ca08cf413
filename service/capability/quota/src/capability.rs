//! What this capability brings to the service.

use platform::{Ctx, DbError, PlatformTx, Work as _};
use web::{Capability, PlatformService, When};

use crate::{history, ops, reservations};

/// Routes, the end of reservations, and the history of usage.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .emits(ops::EVENTS)
        .sweep(When::EachMinute, "reservations", async |tx, _| reservations::sweep(tx).await)
        .chore(When::Housekeeping, "the quotas' history", |service| async move { sample(&service).await })
}

async fn sample(service: &PlatformService) -> Result<u64, DbError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        history::sample(tx, service).await
    };
    service.db.write(&Ctx::system("housekeeping"), work).await
}
