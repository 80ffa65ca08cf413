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
    undo: Undo::Nothing("modules retain the flags that they received"),
};

pub(super) const REPAIR: Step = Step { undo: Undo::Nothing("what was repaired is retained"), ..PUSH };
