//! What this capability brings to the service.

use platform::{Ctx, PlatformTx};
use web::{Capability, Routes, Service, When};

use crate::error::Error;
use crate::settings::Settings;
use crate::{keys, ops};

/// The end of sessions, and new signing keys in time; the routes are sign-in's.
pub fn capability() -> Capability {
    Capability::new(Routes::new)
        .settings::<Settings>()
        .emits(ops::EVENTS)
        .sweep(When::Housekeeping, "the sweep of sessions", async |tx, _| ops::sweep(tx).await)
        .chore(When::Housekeeping, "signing keys", |service| async move { rotate(&service).await })
}

async fn rotate(service: &Service) -> Result<usize, Error> {
    let age = service.config.section::<Settings>().key_rotation;
    let work = async |tx: &mut PlatformTx| keys::rotate(tx, &service.envelope, age).await;
    service.db.write_platform(&Ctx::system("housekeeping"), work).await
}
