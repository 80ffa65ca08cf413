//! What this capability brings to the service.

use platform::{Ctx, PlatformTx};
use web::{Capability, PlatformService, Routes, When};

use crate::error::Error;
use crate::{keys, ops};

/// The end of sessions, and new signing keys in time; the routes are sign-in's.
pub fn capability() -> Capability {
    Capability::new(Routes::new)
        .emits(ops::EVENTS)
        .sweep(When::Housekeeping, "the sweep of sessions", async |tx, _| ops::sweep(tx).await)
        .chore(When::Housekeeping, "signing keys", |service| async move { rotate(&service).await })
}

async fn rotate(service: &PlatformService) -> Result<usize, Error> {
    let age = service.config.tokens.key_rotation;
    let work = async |tx: &mut PlatformTx| keys::rotate(tx, &service.envelope, age).await;
    service.db.write(&Ctx::system("housekeeping"), work).await
}
