//! What this capability brings to the service.

use chrono::TimeDelta;
use platform::retention::{Expiry, Retained};
use web::Capability;

use crate::codes;
use crate::ops::restore::RESTORE_DAYS;
use crate::ops::{groups, guard, restore, users};
use crate::people::{self, DEPARTED_DAYS};

/// Routes and events.
pub fn capability() -> Capability {
    Capability::new(crate::http::routes)
        .problems(codes::DECLARED)
        .emits(users::EVENTS)
        .emits(groups::EVENTS)
        .emits(guard::EVENTS)
        .emits(restore::EVENTS)
        .emits(people::INVITATION_EVENTS)
        .retains(retained())
}

fn retained() -> [Retained; 12] {
    let recorded = Expiry::at("occurred_at", "tenant_id, organization_id, id");
    let left = Expiry::at("departed_at", "tenant_id, organization_id, kind, key");
    [
        Retained::until_removed("directory_user"),
        Retained::with("directory_user_email", "directory_user"),
        Retained::with("user_identity", "directory_user"),
        Retained::until_removed("directory_group"),
        Retained::with("directory_group_member", "directory_group"),
        Retained::with("directory_group_child", "directory_group"),
        Retained::until_removed("directory_role_mapping"),
        Retained::until_removed("directory_guard"),
        Retained::with("directory_restore", "organization"),
        Retained::with("directory_expected", "invitation"),
        Retained::until("directory_change", recorded.plus(TimeDelta::days(RESTORE_DAYS))),
        Retained::until("directory_departed", left.plus(TimeDelta::days(DEPARTED_DAYS))),
    ]
}
