//! The tenant's name.

use super::{NOTHING, Step, Undo};

pub(super) const RESERVE: Step = Step {
    name: "reserve_slug",
    does: "reserves the slug in the tenant's own row",
    waits_for: None,
    away: None,
    commit: NOTHING,
    undo: Undo::Nothing("a failed tenant retains its slug, so that it can be retried"),
};
