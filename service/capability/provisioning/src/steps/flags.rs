//! The flags, pushed to the modules.

use super::{Step, Undo};

pub(super) const PUSH: Step = Step {
    name: "flags",
    does: "has the tenant's flags pushed to the modules",
    waits_for: None,
    away: None,
    commit: |_, tx, _| {
        flags::push_all(tx);
        Box::pin(async { Ok(()) })
    },
    undo: Undo::Nothing("pushes to modules find a tenant that isn't active any more"),
};

pub(super) const REPAIR: Step = PUSH;
