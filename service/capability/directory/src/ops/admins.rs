//! Seats, and the tenant's last active admin, who stays through whichever door somebody leaves: deactivated, removed, given
//! another role here, by a group, at a sign-in or by a restore.

use super::guard;
use crate::error::Error;
use crate::store::roles;
use entity::directory::user;
use platform::rules::Rule;
use platform::{DbError, Tx};
use policy_core::TenantRole;
use quota::Usage;

/// The resources of `quota` of which somebody may hold one, in the order in which their rows are locked.
pub(super) const SEATS: [&str; 2] = ["admins", "users"];

/// What a user holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    admin: bool,
    active: bool,
}

impl Held {
    /// Nothing: the user isn't there yet, or no more.
    pub(super) const NOTHING: Self = Self { admin: false, active: false };

    /// By this user.
    pub(super) fn by(row: &user::Model) -> Self {
        Self { admin: is_admin(row), active: row.active }
    }

    /// Of each of [`SEATS`].
    fn seats(self) -> [bool; 2] {
        [self.admin, self.active]
    }
}

/// The seats that an active user of this role has, in the order in which their rows are locked.
pub fn seats_of(role: TenantRole) -> impl Iterator<Item = &'static str> {
    let held = Held { admin: role == TenantRole::Admin, active: true };
    SEATS.into_iter().zip(held.seats()).filter_map(|(seat, held)| held.then_some(seat))
}

/// Whether a user counts as an admin.
pub(super) fn is_admin(row: &user::Model) -> bool {
    row.active && row.role.0 == TenantRole::Admin
}

/// Whether the tenant would be without an active admin if this user, whose row is locked, were none any more. The answer
/// stays true until the commit: nobody else takes an admin away meanwhile.
pub(super) async fn is_last(tx: &Tx, row: &user::Model) -> Result<bool, DbError> {
    if !is_admin(row) {
        return Ok(false);
    }
    tx.exclusive(Rule::LastAdmin, tx.tenant()).await?;
    Ok(roles::admins(tx).await? <= 1)
}

/// Refuses to take the last admin away.
///
/// # Errors
/// `user.last_admin`.
pub(super) async fn require_another(tx: &Tx, row: &user::Model) -> Result<(), Error> {
    if is_last(tx, row).await? { Err(Error::LastAdmin) } else { Ok(()) }
}

/// Whether a user may be deactivated or removed: not the last admin, and not past the guard.
///
/// # Errors
/// `user.last_admin`, `directory.blocked`, `directory.rejected`.
pub(super) async fn may_leave(tx: &Tx, row: &user::Model) -> Result<(), Error> {
    require_another(tx, row).await?;
    guard::may_remove(tx, row.organization_id).await
}

/// Moves the quotas with a user who holds something else than before; answers the usage of `users` if that is taken. The last
/// thing that a write does: from here to the commit everybody else who wants a seat of this tenant waits.
///
/// # Errors
/// `quota.exceeded`, `billing.seat_blocked`.
pub(super) async fn count(tx: &mut Tx, was: Held, is: Held) -> Result<Option<Usage>, Error> {
    let mut usage = None;
    for (resource, (was, is)) in SEATS.into_iter().zip(was.seats().into_iter().zip(is.seats())) {
        usage = match (was, is) {
            (false, true) => Some(quota::take(tx, resource, 1).await?),
            (true, false) => {
                quota::give_back(tx, resource, 1).await?;
                None
            }
            _ => None,
        };
    }
    Ok(usage)
}
