//! What this capability brings to the service.

use chrono::TimeDelta;
use platform::retention::{Expiry, Retained};
use web::Capability;

use crate::settings::{Limits, Settings};
use crate::transport::Transport;
use crate::{codes, jobs};

/// How long a mail is kept that was sent, or never will be. Longer than what it is about: a second mail of one occasion isn't made.
const MAILS_RETENTION: TimeDelta = TimeDelta::days(90);

/// Routes, and the job that sends.
pub fn capability() -> Capability {
    let old = Expiry::at("created_at", "tenant_id, id").only("status <> 'queued'").plus(MAILS_RETENTION);
    Capability::new(crate::http::routes)
        .settings::<Settings>()
        .settings::<Limits>()
        .problems(codes::DECLARED)
        .jobs(|service| {
            Ok(vec![jobs::handler(service, Transport::new(service.config.section::<Settings>())?)])
        })
        .retains([
            Retained::until("mail_message", old),
            Retained::until_removed("mail_suppression"),
            Retained::until_removed("mail_branding"),
        ])
}
