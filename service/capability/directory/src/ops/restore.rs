//! Undo: a directory becomes what it was at a moment, from the changes recorded since. Each thing is put back by the same
//! operation that a client would use, so quotas, sessions, audit, events and recorded changes go with it, and a restore
//! can itself be undone.
//!
//! The plan is made of changes between the moment and the restore's own beginning, always the same one, so that a run
//! which was interrupted goes on where it stopped.

mod image;
mod item;
mod links;
mod members;

use std::collections::{BTreeSet, HashSet};

use chrono::TimeDelta;
use entity::directory::restore::{Column, Entity, Model};
use entity::directory::states::{
    AddressProof, ChangeAction, ChangeKind, RestoreStatus, RoleSource, Source, UserState,
};
use entity::directory::user;
use entity::ids::OrganizationId;
use platform::refusal::Invalid;
use platform::rules::Rule;
use platform::{DbError, Target, Timestamp, Tx, View, Work, ids};
use policy_core::TenantRole;
use scim_core::schema::Registry;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;

use self::image::{created_at, image, object, unreadable};
use self::item::Item;
use self::links::Links;
use super::admins::SEATS;
use super::groups;
use super::roles::NewRole;
use super::users::{self, NewUser, Origin, Writer};
use crate::error::Error;
use crate::model::UserColumns;
use crate::people;
use crate::store::roles::{self as role_store, RolesByGroup};
use crate::store::{changes, groups as group_store, users as user_store};

/// How far back a directory can be restored, and for how long changes are kept, in days.
pub(crate) const RESTORE_DAYS: i64 = 30;
/// Restores of an organization that are listed.
const LISTED: u64 = 100;

platform::events! {
    /// A directory was restored to a point in time.
    pub(crate) struct DirectoryRestored = "directory.restored" {
        organization_id: Uuid,
        restore_id: Uuid,
        moment: Timestamp,
    }
}

/// How much a restore would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Users made since, who go.
    pub users_removed: usize,
    /// Users put back.
    pub users_restored: usize,
    /// Groups made since, which go.
    pub groups_removed: usize,
    /// Groups put back.
    pub groups_restored: usize,
    /// Groups whose members are put back.
    pub memberships: usize,
}

fn summary(items: &[Item]) -> Plan {
    let count = |is: fn(&Item) -> bool| items.iter().filter(|item| is(item)).count();
    Plan {
        users_removed: count(|item| matches!(item, Item::RemoveUser(_))),
        users_restored: count(|item| matches!(item, Item::User(..))),
        groups_removed: count(|item| matches!(item, Item::RemoveGroup(_))),
        groups_restored: count(|item| matches!(item, Item::Group(..))),
        memberships: count(|item| matches!(item, Item::Members(_))),
    }
}

async fn items(
    view: &View,
    organization: Uuid,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<Item>, DbError> {
    let mut stages: [Vec<Item>; 5] = Default::default();
    let [gone_groups, gone_users, users, groups, members] = &mut stages;
    let mut filled = BTreeSet::new();
    let mut made = HashSet::new();
    for (kind, subject, change, action) in changes::first_changes(view, organization, since, until).await? {
        match (kind, action) {
            (ChangeKind::User, ChangeAction::Create) => gone_users.push(Item::RemoveUser(subject)),
            (ChangeKind::User, _) => users.push(Item::User(subject, change)),
            (ChangeKind::Group, ChangeAction::Create) => {
                made.insert(subject);
                gone_groups.push(Item::RemoveGroup(subject));
            }
            (ChangeKind::Group, _) => groups.push(Item::Group(subject, change)),
            (ChangeKind::Member | ChangeKind::Child, _) => {
                filled.insert(subject);
            }
        }
    }
    members.extend(filled.into_iter().filter(|group| !made.contains(group)).map(Item::Members));
    Ok(stages.concat())
}

/// What a restore to `moment` would do now.
///
/// # Errors
/// `validation.failed` for a moment that is too long ago or not past.
pub async fn plan_restore(view: &View, organization: Uuid, moment: Timestamp) -> Result<Plan, Error> {
    check(view, moment)?;
    Ok(summary(&items(view, organization, moment, view.now()).await?))
}

fn check(view: &View, moment: Timestamp) -> Result<(), Invalid> {
    if moment > view.now() {
        return Err(Invalid::at("/moment", "must be in the past"));
    }
    if moment < view.now() - TimeDelta::days(RESTORE_DAYS) {
        return Err(Invalid::at("/moment", "must be within the last 30 days"));
    }
    Ok(())
}

/// Begins a restore. The job that goes on with it is the caller's.
///
/// # Errors
/// `validation.failed`; `conflict` while another one runs.
pub async fn begin_restore(tx: &mut Tx, organization: Uuid, moment: Timestamp) -> Result<Model, Error> {
    check(tx, moment)?;
    let now = tx.now();
    let items = items(tx, organization, moment, now).await?;
    let row = Model {
        tenant_id: tx.tenant(),
        organization_id: organization,
        id: ids::new(),
        moment,
        status: RestoreStatus::Running,
        changes: i64::try_from(items.len()).unwrap_or(i64::MAX),
        done: 0,
        error: None,
        created_at: now,
        finished_at: None,
    };
    let running = |error: DbError| match error.conflicts_on("running") || error.conflicts_on("organization") {
        true => Error::Restoring,
        false => error.into(),
    };
    tx.insert(row.clone()).await.map_err(running)?;
    tx.record(
        "directory_restore.create",
        Target::new("organization", organization).with(json!({"moment": moment})),
    );
    Ok(row)
}

/// Restores of an organization, the newest first.
pub async fn restores(view: &View, organization: Uuid) -> Result<Vec<Model>, DbError> {
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    view.all(select.order_by_desc(Column::Id).limit(LISTED)).await
}

/// The restore that runs, if one does: identity providers wait meanwhile.
pub async fn running_restore(view: &View, organization: Uuid) -> Result<Option<Model>, DbError> {
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    view.one(select.filter(Column::Status.eq(RestoreStatus::Running))).await
}

/// What a restore puts back, in order: read once a run, and the same in each.
#[derive(Debug)]
pub struct Items(Vec<Item>);

/// What a restore puts back; `None` if it doesn't run.
pub async fn restore_items(
    view: &View,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Items>, DbError> {
    let Some(row) = running_restore(view, organization.0).await?.filter(|row| row.id == id) else {
        return Ok(None);
    };
    items(view, organization.0, row.moment, row.created_at).await.map(Items).map(Some)
}

/// How many of the next things one transaction puts back: things of one kind, whose locks can be taken together. A group whose
/// members may get other roles comes by itself.
fn together(next: &[Item], roles: RolesByGroup) -> usize {
    let Some(first) = next.first() else { return 0 };
    let moves_members = matches!(first, Item::RemoveGroup(_) | Item::Members(_));
    if moves_members && roles == RolesByGroup::Given {
        return 1;
    }
    let kind = std::mem::discriminant(first);
    next.iter().take_while(|item| std::mem::discriminant(*item) == kind).count()
}

/// Takes the locks of all these things in their order (see [`platform::rules`]): one after the other each thing would take its
/// own, and one that comes first in the order after one that comes last.
async fn lock(tx: &Tx, organization: Uuid, next: &[Item]) -> Result<(), DbError> {
    let (mut of_users, mut of_groups) = (Vec::new(), Vec::new());
    for item in next {
        match item {
            Item::RemoveUser(id) | Item::User(id, _) => of_users.push(*id),
            Item::RemoveGroup(id) | Item::Group(id, _) | Item::Members(id) => of_groups.push(*id),
        }
    }
    group_store::lock_groups(tx, organization, &of_groups).await?;
    if of_users.is_empty() {
        return Ok(());
    }
    role_store::lock_users(tx, organization, of_users).await?;
    tx.exclusive(Rule::LastAdmin, tx.tenant()).await?;
    quota::hold(tx, &SEATS).await
}

/// Puts back the next things of a restore; true once it is done.
///
/// # Errors
/// What a thing can't be put back for, e.g. a quota.
pub async fn go_on(
    tx: &mut Tx,
    registry: &Registry,
    organization: OrganizationId,
    id: Uuid,
    Items(items): &Items,
    batch: usize,
) -> Result<bool, Error> {
    let select = tx.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    let Some(row) = tx.lock(select.filter(Column::Id.eq(id))).await? else { return Ok(true) };
    if row.status != RestoreStatus::Running {
        tx.housekeeping();
        return Ok(true);
    }
    let done = usize::try_from(row.done).unwrap_or(0);
    let roles = role_store::by_group(tx, organization.0).await?;
    let next = items.get(done..).unwrap_or_default();
    let next = next.get(..together(next, roles).min(batch)).unwrap_or_default();
    lock(tx, organization.0, next).await?;
    if role_store::by_group(tx, organization.0).await? != roles {
        // While we waited groups began to give roles, or ended: what can be put back together is another question now.
        tx.housekeeping();
        return Ok(false);
    }
    let links = Links::of(tx, &row, next).await?;
    for item in next {
        put_back(tx, registry, (&row, &links), item).await?;
    }
    let done = done + next.len();
    let finished = done >= items.len();
    let row = Model { done: i64::try_from(done).unwrap_or(i64::MAX), ..row };
    if finished {
        let row = Model { status: RestoreStatus::Done, finished_at: Some(tx.now()), ..row };
        tx.record("directory_restore.finish", Target::new("organization", organization));
        tx.emit(&DirectoryRestored { organization_id: organization.0, restore_id: id, moment: row.moment });
        tx.update(row).await?;
    } else {
        tx.housekeeping();
        tx.update(row).await?;
    }
    Ok(finished)
}

/// Ends a restore that can't go on; what it put back stays.
pub async fn fail_restore(
    tx: &mut Tx,
    organization: OrganizationId,
    id: Uuid,
    why: &str,
) -> Result<(), DbError> {
    let select = tx.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    let Some(row) = tx.lock(select.filter(Column::Id.eq(id))).await? else { return Ok(()) };
    let row = Model {
        status: RestoreStatus::Failed,
        error: Some(why.to_owned()),
        finished_at: Some(tx.now()),
        ..row
    };
    tx.record("directory_restore.fail", Target::new("organization", organization));
    tx.update(row).await
}

async fn put_back(
    tx: &mut Tx,
    registry: &Registry,
    (restore, links): (&Model, &Links),
    item: &Item,
) -> Result<(), Error> {
    let organization = OrganizationId(restore.organization_id);
    match item {
        Item::RemoveGroup(id) => match group_store::group(tx, organization, *id).await? {
            Some(_) => groups::delete_group(tx, organization, *id).await,
            None => Ok(()),
        },
        Item::RemoveUser(id) => match user_store::user(tx, organization, *id).await? {
            Some(_) => users::delete_user(tx, organization, *id).await,
            None => Ok(()),
        },
        Item::User(id, change) => {
            let image = image(tx, organization, *change).await?;
            let before = user_store::user_locked(tx, organization, *id).await?;
            user(tx, registry, (organization, *id, links), before, &image).await
        }
        Item::Group(id, change) => {
            let image = image(tx, organization, *change).await?;
            let resource = object(&image);
            match group_store::group_locked(tx, organization, *id).await? {
                Some(before) => groups::replace_group(tx, &registry.groups, before, resource).await.map(drop),
                None => {
                    let origin = (*id, created_at(&image).unwrap_or(tx.now()));
                    groups::restore_group(tx, &registry.groups, organization.0, resource, origin)
                        .await
                        .map(drop)
                }
            }
        }
        Item::Members(id) => members::put_back(tx, restore, *id).await,
    }
}

async fn user(
    tx: &mut Tx,
    registry: &Registry,
    (organization, id, links): (OrganizationId, Uuid, &Links),
    before: Option<user::Model>,
    image: &Value,
) -> Result<(), Error> {
    let text = |name: &str| image.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut resource = object(image);
    if !resource.contains_key("active") && image.get("active") == Some(&Value::Bool(false)) {
        resource.insert("active".to_owned(), Value::Bool(false));
    }
    let role = TenantRole::parse(&text("role")).ok_or_else(|| unreadable("role"))?;
    let row = match before {
        Some(before) => users::replace_user(tx, &registry.users, before, resource).await?,
        None => {
            let source = Source::parse(&text("source")).ok_or_else(|| unreadable("source"))?;
            let state = users::after(UserState::Nobody, Writer::Restore.verb(&UserColumns::of(&resource)))?;
            let origin = Origin { id, created_at: created_at(image).unwrap_or(tx.now()), source, state };
            let new = NewUser {
                organization: organization.0,
                resource,
                role: NewRole::new(role, RoleSource::Local),
                address_proof: AddressProof::parse(&text("addressProof")),
            };
            let row = users::insert_user(tx, &registry.users, new, origin).await?;
            let keys = people::addresses(&row);
            people::there_again(tx, organization.0, &keys, row.external_id.as_deref()).await?;
            users::take_seats(tx, &row).await?;
            links.make(tx, &row).await?;
            row
        }
    };
    let role_source = RoleSource::parse(&text("roleSource")).ok_or_else(|| unreadable("roleSource"))?;
    let under = TenantRole::parse(&text("roleUnder"));
    let same = (row.role.0, row.role_source, row.role_under.map(|role| role.0)) == (role, role_source, under);
    if !same {
        super::roles::give(tx, row, NewRole { role, source: role_source, under }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_of_one_kind_are_put_back_together_and_a_group_that_gives_roles_by_itself() {
        use RolesByGroup::{Given, None};
        let id = Uuid::nil();
        let (gone_group, gone, user) = (Item::RemoveGroup(id), Item::RemoveUser(id), Item::User(id, id));
        let (group, members) = (Item::Group(id, id), Item::Members(id));
        for (what, next, roles, wanted) in [
            ("nothing", vec![], None, 0),
            ("groups that go", vec![gone_group.clone(), gone_group.clone(), gone.clone()], None, 2),
            ("one that gives roles", vec![gone_group.clone(), gone_group.clone()], Given, 1),
            ("users that go", vec![gone.clone(), gone.clone(), user.clone()], Given, 2),
            ("users that come back", vec![user.clone(), user.clone(), group.clone()], Given, 2),
            ("groups that come back", vec![group.clone(), group.clone(), members.clone()], Given, 2),
            ("members", vec![members.clone(), members.clone()], None, 2),
            ("members that give roles", vec![members.clone(), members], Given, 1),
        ] {
            assert_eq!(together(&next, roles), wanted, "{what}");
        }
    }
}
