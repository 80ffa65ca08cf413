//! The tenant's name.

use super::{NOTHING, Step, Undo};

pub(super) const RESERVE: Step = Step {
    name: "reserve_slug",
    does: "reserves the slug: the tenant's own row has it",
    waits_for: None,
    away: None,
    commit: NOTHING,
    undo: Undo::Nothing("a failed tenant keeps its slug, so that it can be retried"),
};
