//! The flags, pushed to the modules.

use super::{Step, Undo};

pub(super) const PUSH: Step = Step {
    name: "flags",
    does: "has the tenant's flags pushed to the modules",
    waits_for: None,
    away: None,
    commit: |_, tx, _| {
        flags::refresh_tenant(tx);
        Box::pin(async { Ok(()) })
    },
    undo: Undo::Nothing(
        "a module keeps the flags that it got; no push follows until the tenant is tried again",
    ),
};

pub(super) const REPAIR: Step = Step { undo: Undo::Nothing("what was repaired stays"), ..PUSH };
