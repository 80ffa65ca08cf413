//! What this capability brings to the service.

use chrono::TimeDelta;
use platform::retention::{Expiry, Retained};
use platform::{Ctx, PlatformTx};
use web::{Capability, PlatformService, Routes, When};

use crate::error::Error;
use crate::settings::Settings;
use crate::{keys, ops};

/// How long a session is remembered after it would have been over by itself.
const ENDED_RETENTION: TimeDelta = TimeDelta::days(30);

/// The end of sessions, and new signing keys in time; the routes are sign-in's.
pub fn capability() -> Capability {
    let over = Expiry::at("expires_at", "tenant_id, id").plus(ENDED_RETENTION);
    Capability::new(Routes::new)
        .settings::<Settings>()
        .emits(ops::EVENTS)
        .retains([
            Retained::until("session", over),
            Retained::until("browser_session", over),
            Retained::with("refresh_token", "session"),
            // Removed with the realm that they signed for.
            Retained::until_removed("signing_key"),
        ])
        .chore(When::Housekeeping, "signing keys", |service| async move { rotate(&service).await })
}

async fn rotate(service: &PlatformService) -> Result<usize, Error> {
    let age = service.config.section::<Settings>().key_rotation;
    let work = async |tx: &mut PlatformTx| keys::rotate(tx, &service.envelope, age).await;
    service.db.write(&Ctx::system("housekeeping"), work).await
}
