//! What this capability brings to the service.

use platform::retention::Retained;
use platform::{Ctx, DbError, PlatformTx, Work as _};
use web::{Capability, PlatformService, When};

use crate::settings::Settings;
use crate::{codes, history, ops, reservations};

/// What gives back what was held for too long, and removes what was finalized long ago.
const RESERVATIONS: &str = "reservations";
/// What samples, and removes samples that are too old: they end by a day, not by a moment.
const HISTORY: &str = "the quotas' history";

/// Routes, the end of reservations, and the history of usage.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .problems(codes::DECLARED)
        .emits(ops::EVENTS)
        .retains([
            Retained::with("quota", "tenant"),
            Retained::until_removed("quota_resource"),
            Retained::until_swept("quota_reservation", RESERVATIONS),
            Retained::until_swept("quota_sample", HISTORY),
        ])
        .sweep(When::EachMinute, RESERVATIONS, async |tx, _| reservations::sweep(tx).await)
        .chore(When::Housekeeping, HISTORY, |service| async move { sample(&service).await })
}

async fn sample(service: &PlatformService) -> Result<u64, DbError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        history::sample(tx, service).await
    };
    service.db.write(&Ctx::system("housekeeping"), work).await
}
