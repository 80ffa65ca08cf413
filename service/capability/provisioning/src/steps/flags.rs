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
    undo: Undo::Nothing("what becomes of the tenant reaches the modules by a push of its own"),
};

pub(super) const REPAIR: Step = PUSH;
