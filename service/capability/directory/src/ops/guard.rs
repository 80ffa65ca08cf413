//! The guard of an organization: a sync that would deactivate or delete more than so many users, or more than so many
//! percent, within a window is blocked. What it asked for before stays done, the rest is refused until an admin confirms
//! (the removals go on for one window) or rejects (they are refused for one window).

use chrono::TimeDelta;
use entity::directory::guard::{Column, Entity, Model};
use entity::directory::states::GuardState;
use platform::{DbError, Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;
use web::IfMatch;

use super::users::Writer;
use crate::error::Error;
use crate::store::{changes, users};

/// The percentage counts from so many active users: of three, one is a third.
const PERCENT_FROM_USERS: i64 = 10;

/// What a guard permits.
#[derive(Clone, Copy, Debug)]
pub struct GuardLimits {
    /// Removals in a window.
    pub users_max: Option<i64>,
    /// The same, in percent of the active users.
    pub percent_max: Option<i64>,
    /// The window, in seconds.
    pub window_seconds: i64,
}

platform::events! {
    /// An identity provider tried to remove more users than the directory guard allows; further removals are blocked.
    pub(crate) struct DirectoryBlocked = "directory.blocked" {
        organization_id: Uuid,
        users_max: Option<i64>,
        percent_max: Option<i64>,
        window_seconds: i64,
    }
}

/// The guard of an organization, if it has one.
pub async fn guard(view: &View, organization: Uuid) -> Result<Option<Model>, DbError> {
    view.one(view.select::<Entity>().filter(Column::OrganizationId.eq(organization))).await
}

async fn locked(tx: &Tx, organization: Uuid) -> Result<Option<Model>, DbError> {
    tx.lock(tx.select::<Entity>().filter(Column::OrganizationId.eq(organization))).await
}

/// Sets up a guard, or changes its limits; it is armed afterwards.
///
/// # Errors
/// `conflict.version`.
pub async fn put_guard(
    tx: &mut Tx,
    organization: Uuid,
    limits: GuardLimits,
    seen: &IfMatch,
) -> Result<Model, Error> {
    let before = locked(tx, organization).await?;
    seen.require(before.as_ref().map_or(0, |row| row.version))?;
    let row = Model {
        tenant_id: tx.tenant(),
        organization_id: organization,
        users_max: limits.users_max,
        percent_max: limits.percent_max,
        window_seconds: limits.window_seconds,
        state: GuardState::Armed,
        state_until: None,
        blocked_at: None,
        blocked_count: 0,
        version: before.as_ref().map_or(1, |row| row.version + 1),
        created_at: before.as_ref().map_or(tx.now(), |row| row.created_at),
        updated_at: tx.now(),
    };
    match before {
        Some(_) => tx.update(row.clone()).await?,
        None => tx.insert(row.clone()).await?,
    }
    let target = Target::new("organization", organization);
    tx.record("directory_guard.put", target.changed(before.as_ref(), &row));
    Ok(row)
}

/// Takes the guard away.
///
/// # Errors
/// `not_found`.
pub async fn delete_guard(tx: &mut Tx, organization: Uuid) -> Result<(), Error> {
    let removal = tx.remove::<Entity>().filter(Column::OrganizationId.eq(organization));
    if tx.purge(removal).await? == 0 {
        return Err(Error::NotFound);
    }
    tx.record("directory_guard.delete", Target::new("organization", organization));
    Ok(())
}

/// An admin's answer to a guard that holds.
///
/// # Errors
/// `not_found`; `conflict` if it doesn't hold.
pub async fn answer_guard(tx: &mut Tx, organization: Uuid, confirm: bool) -> Result<Model, Error> {
    let before = locked(tx, organization).await?.ok_or(Error::NotFound)?;
    let may_answer = match before.state {
        GuardState::Blocked => true,
        GuardState::Rejected => confirm,
        GuardState::Armed | GuardState::Confirmed => false,
    };
    if !may_answer {
        return Err(Error::NothingBlocked);
    }
    let (state, action) = if confirm {
        (GuardState::Confirmed, "directory_guard.confirm")
    } else {
        (GuardState::Rejected, "directory_guard.reject")
    };
    let until = tx.now() + TimeDelta::seconds(before.window_seconds);
    let row = Model {
        state,
        state_until: Some(until),
        version: before.version + 1,
        updated_at: tx.now(),
        ..before
    };
    tx.update(row.clone()).await?;
    tx.record(action, Target::new("organization", organization));
    Ok(row)
}

/// Whether an identity provider may remove one more user now. Asked with the guard's row locked, so that removals at the
/// same moment count each other.
///
/// # Errors
/// `directory.blocked`, `directory.rejected`.
pub(super) async fn may_remove(tx: &Tx, organization: Uuid) -> Result<(), Error> {
    if Writer::of(&tx.ctx().actor) != Writer::Directory {
        return Ok(());
    }
    let Some(row) = locked(tx, organization).await? else { return Ok(()) };
    let lasts = row.state_until.is_some_and(|until| until > tx.now());
    match row.state {
        GuardState::Confirmed if lasts => return Ok(()),
        GuardState::Rejected if lasts => return Err(Error::Rejected { until: row.state_until }),
        GuardState::Blocked => return Err(Error::Blocked),
        GuardState::Armed | GuardState::Confirmed | GuardState::Rejected => {}
    }
    // After a confirmation the count begins anew.
    let window = tx.now() - TimeDelta::seconds(row.window_seconds);
    let since = row.state_until.map_or(window, |until| until.max(window));
    let removed = changes::removals_since(tx, organization, since).await?;
    if row.users_max.is_some_and(|limit| removed + 1 > limit) {
        return Err(Error::Blocked);
    }
    if let Some(percent) = row.percent_max {
        let before = users::count_active(tx, organization).await? + removed;
        if before >= PERCENT_FROM_USERS && (removed + 1) * 100 > percent * before {
            return Err(Error::Blocked);
        }
    }
    Ok(())
}

/// After a refusal, in a transaction of its own: the guard holds from now on, and says so once.
pub async fn block(tx: &mut Tx, organization: Uuid) -> Result<bool, DbError> {
    let Some(before) = locked(tx, organization).await? else {
        tx.housekeeping();
        return Ok(false);
    };
    let lasts = before.state_until.is_some_and(|until| until > tx.now());
    if before.state == GuardState::Blocked || lasts {
        tx.housekeeping();
        tx.update(Model { blocked_count: before.blocked_count + 1, ..before }).await?;
        return Ok(false);
    }
    let row = Model {
        state: GuardState::Blocked,
        state_until: None,
        blocked_at: Some(tx.now()),
        blocked_count: 1,
        version: before.version + 1,
        updated_at: tx.now(),
        ..before
    };
    tx.update(row.clone()).await?;
    tx.record("directory_guard.block", Target::new("organization", organization));
    tx.emit(&DirectoryBlocked {
        organization_id: organization,
        users_max: row.users_max,
        percent_max: row.percent_max,
        window_seconds: row.window_seconds,
    });
    Ok(true)
}
