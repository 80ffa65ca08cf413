//! What this capability brings to the service.

use platform::DbError;
use platform::jobs::Handler;
use web::{Capability, PlatformService, Service, When, swept};

use crate::{dry_run, expiry, lifecycle, sweep};

/// Routes, restores and dry runs, and the end of what is retained.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .emits(expiry::EVENTS)
        .jobs(|service| Ok(handlers(service)))
        .sweep(When::Housekeeping, "the sweep of SCIM", async |tx, _| sweep::sweep(tx).await)
        .chore(When::Housekeeping, "the sweep of requests", |service| async move { trim(&service).await })
        .chore(
            When::Housekeeping,
            "warnings of tokens",
            |service| async move { expiry::warn(&service).await },
        )
}

fn handlers(service: &Service) -> Vec<Handler> {
    let mut all = vec![lifecycle::handler(service)];
    all.extend(dry_run::handlers(service));
    all
}

/// Who has too many requests is found out outside of the transactions that remove them.
async fn trim(service: &PlatformService) -> Result<(), DbError> {
    let many = service.db.read(async |view| sweep::too_many(view).await).await?;
    swept(service, "the sweep of requests", async |tx| sweep::trim(tx, &many).await).await;
    Ok(())
}
