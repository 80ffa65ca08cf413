//! Invitations of a tenant that goes.

use super::{Step, Undo};

pub(super) const REVOKE: Step = Step {
    name: "invitations",
    does: "revokes all invitations",
    waits_for: None,
    away: None,
    commit: |_, tx, _| Box::pin(async move { Ok(invitations::revoke_all(tx).await?) }),
    undo: Undo::Nothing("a deletion is never given up"),
};
