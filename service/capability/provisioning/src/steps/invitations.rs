//! Invitations of a tenant that goes.

use super::{NEVER_GIVEN_UP, Step};

pub(super) const REVOKE: Step = Step {
    name: "invitations",
    does: "revokes all invitations",
    waits_for: None,
    away: None,
    commit: |_, tx, _| Box::pin(async move { Ok(invitations::revoke_all(tx).await?) }),
    undo: NEVER_GIVEN_UP,
};
