//! The tenant's last active admin stays, through whichever door somebody leaves: deactivated, removed, given another role
//! here, by a group, at a sign-in or by a restore.

use entity::directory::user;
use platform::rules::Rule;
use platform::{DbError, Tx};
use web::{Code, Problem};

use super::guard;
use crate::store::roles;

/// Whether a user counts as an admin.
pub(super) fn is_admin(row: &user::Model) -> bool {
    row.active && row.role == "admin"
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
pub(super) async fn require_another(tx: &Tx, row: &user::Model) -> Result<(), Problem> {
    if is_last(tx, row).await? { Err(Problem::new(Code::UserLastAdmin)) } else { Ok(()) }
}

/// Whether a user may be deactivated or removed: not the last admin, and not past the guard.
///
/// # Errors
/// `user.last_admin`, `directory.held`, `directory.rejected`.
pub(super) async fn may_leave(tx: &Tx, row: &user::Model) -> Result<(), Problem> {
    require_another(tx, row).await?;
    guard::may_remove(tx, row.organization_id).await
}

/// Moves the quota of admins with one of them.
///
/// # Errors
/// `quota.exceeded`, `billing.seat_blocked`.
pub(super) async fn count(tx: &mut Tx, was: bool, is: bool) -> Result<(), Problem> {
    match (was, is) {
        (false, true) => quota::take(tx, "admins", 1).await.map(drop),
        (true, false) => Ok(quota::give_back(tx, "admins", 1).await?),
        _ => Ok(()),
    }
}
