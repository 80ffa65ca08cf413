//! What this capability brings to the service.

use chrono::TimeDelta;
use platform::DbError;
use platform::jobs::Handler;
use platform::retention::{End, Expiry, Retained};
use web::{Capability, PlatformService, Service, When, swept};

use crate::settings::Limits;
use crate::{codes, dry_run, expiry, lifecycle, sweep};

/// How long requests are kept.
const REQUESTS_RETENTION: TimeDelta = TimeDelta::days(7);
/// What removes requests of an organization beyond their number.
const REQUESTS: &str = "the sweep of requests";

/// Routes, restores and dry runs, and the end of what is retained.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Limits>()
        .problems(codes::DECLARED)
        .emits(expiry::EVENTS)
        .jobs(|service| Ok(handlers(service)))
        .retains([
            Retained::with("scim_token", "tenant"),
            Retained::until_removed("scim_schema"),
            Retained::until_removed("scim_rehearsal"),
            Retained::until(
                "scim_request",
                Expiry::at("occurred_at", "tenant_id, organization_id, id").plus(REQUESTS_RETENTION),
            )
            .or(End::Sweep(REQUESTS)),
            Retained::until("scim_assertion", Expiry::at("expires_at", "tenant_id, client_id, jti")),
        ])
        .chore(When::Housekeeping, REQUESTS, |service| async move { trim(&service).await })
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
    swept(service, REQUESTS, async |tx| sweep::trim(tx, &many).await).await;
    Ok(())
}
