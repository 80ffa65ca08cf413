//! What this capability brings to the service.

use chrono::TimeDelta;
use platform::retention::{End, Expiry, Retained};
use web::Capability;

use crate::codes;
use crate::ops::{links, outcome};
use crate::settings::Settings;

/// How long a sign-in to which nothing came back is shown as abandoned.
const ABANDONED_RETENTION: TimeDelta = TimeDelta::minutes(5);
/// How long a code is kept after its time, so that whoever comes with it again is noticed.
const CODES_RETENTION: TimeDelta = TimeDelta::hours(1);

/// Routes, the links that strangers ask for, and what ends.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .problems(codes::DECLARED)
        .emits(outcome::EVENTS)
        .jobs(|service| Ok(vec![links::handler(service)]))
        .retains(retained())
}

fn retained() -> [Retained; 4] {
    let old = Expiry::at("started_at", "tenant_id, id")
        .plus_setting(|config| config.section::<Settings>().sign_in_retention);
    // Anybody can begin: what was begun and never finished goes soon after its time.
    let abandoned = Expiry::at("expires_at", "tenant_id, id")
        .only("status IN ('started', 'answered')")
        .plus(ABANDONED_RETENTION)
        .each_minute();
    [
        Retained::until("sign_in", old).or(End::Expiry(abandoned)),
        Retained::until("authorization_request", Expiry::at("expires_at", "id").each_minute()),
        Retained::until("assertion_use", Expiry::at("expires_at", "tenant_id, connection_id, assertion_id")),
        Retained::until(
            "authorization_code",
            Expiry::at("expires_at", "tenant_id, digest").plus(CODES_RETENTION),
        ),
    ]
}
