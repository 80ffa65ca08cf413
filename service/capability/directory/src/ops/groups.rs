//! Groups: made, renamed, filled, removed.

use std::collections::HashSet;

use entity::directory::group;
use entity::directory::states::{ChangeAction, ChangeKind};
use entity::ids::OrganizationId;
use identity_core::fold;
use platform::rules::Rule;
use platform::{DbError, Target, Timestamp, Tx, Work, ids};
use scim_core::fold_resource;
use scim_core::schema::ResourceType;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::model::{changed_names, group_image};
use crate::store::members::{self, Kind};
use crate::store::roles::{self, RolesByGroup, lock_users};
use crate::store::{changes, groups as store};

/// The resource of `quota` that a group takes one of.
const QUOTA: &str = "groups";

platform::facts! {
    /// What is told of a group.
    pub struct GroupFacts {
        /// The group.
        pub group_id: Uuid,
        organization_id: Uuid,
        display_name: String,
        /// Its id at the directory.
        pub external_id: Option<String>,
        /// Names of the attributes that changed, not their values.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub attributes: Option<Vec<String>>,
    }
}

platform::events! {
    /// A group was created.
    pub struct GroupCreated = "group.created" (GroupFacts)
    /// A group or its members changed.
    pub struct GroupUpdated = "group.updated" (GroupFacts)
    /// A group was deleted.
    pub struct GroupDeleted = "group.deleted" (GroupFacts)
}

fn facts(row: &group::Model, attributes: Vec<String>) -> GroupFacts {
    GroupFacts {
        group_id: row.id,
        organization_id: row.organization_id,
        display_name: row.display_name.clone(),
        external_id: row.external_id.clone(),
        attributes: (!attributes.is_empty()).then_some(attributes),
    }
}

fn text(resource: &Map<String, Value>, name: &str) -> Option<String> {
    resource.get(name).and_then(Value::as_str).map(ToOwned::to_owned)
}

/// Makes a group with these members.
///
/// # Errors
/// `group.exists`, `quota.exceeded`; what [`set_members`] refuses.
pub async fn create_group(
    tx: &mut Tx,
    kind: &ResourceType,
    organization: Uuid,
    resource: Map<String, Value>,
    members: &[Uuid],
) -> Result<group::Model, Error> {
    let (id, now) = (ids::new(), tx.now());
    let row = insert(tx, kind, organization, resource, (id, now)).await?;
    if !members.is_empty() {
        // Nobody's role changes: no role is given by a group that is new.
        put_in(tx, &row, members, &mut Moved::default()).await?;
    }
    quota::take(tx, QUOTA, 1).await?;
    Ok(row)
}

/// Puts a group back as the same that it was, without members.
pub(crate) async fn restore_group(
    tx: &mut Tx,
    kind: &ResourceType,
    organization: Uuid,
    resource: Map<String, Value>,
    origin: (Uuid, Timestamp),
) -> Result<group::Model, Error> {
    let row = insert(tx, kind, organization, resource, origin).await?;
    quota::take(tx, QUOTA, 1).await?;
    Ok(row)
}

/// Writes a group without members. Its quota is the caller's, who takes it last.
async fn insert(
    tx: &mut Tx,
    kind: &ResourceType,
    organization: Uuid,
    resource: Map<String, Value>,
    (id, created_at): (Uuid, Timestamp),
) -> Result<group::Model, Error> {
    let display_name = text(&resource, "displayName").unwrap_or_default();
    let attributes = resource.keys().cloned().collect();
    let row = group::Model {
        tenant_id: tx.tenant(),
        organization_id: organization,
        id,
        display_name_key: fold(&display_name),
        display_name,
        external_id: text(&resource, "externalId"),
        folded: fold_resource(kind, &resource),
        resource: Value::Object(resource),
        version: 1,
        created_at,
        updated_at: tx.now(),
    };
    tx.insert(row.clone()).await.map_err(Error::of_group)?;
    changes::record(tx, OrganizationId(organization), ChangeKind::Group, ChangeAction::Create, id, None)
        .await?;
    tx.record("group.create", Target::new("group", row.id));
    tx.emit(&GroupCreated(facts(&row, attributes)));
    Ok(row)
}

/// Gives a group new attributes. The same attributes change nothing.
///
/// # Errors
/// `group.exists`.
pub async fn replace_group(
    tx: &mut Tx,
    kind: &ResourceType,
    before: group::Model,
    resource: Map<String, Value>,
) -> Result<group::Model, Error> {
    let attributes = changed_names(before.resource.as_object(), &resource);
    if attributes.is_empty() {
        tx.housekeeping();
        return Ok(before);
    }
    let image = group_image(&before);
    let display_name = text(&resource, "displayName").unwrap_or_default();
    let display_name_key = match display_name == before.display_name {
        true => before.display_name_key.clone(),
        false => fold(&display_name),
    };
    let row = group::Model {
        display_name_key,
        display_name,
        external_id: text(&resource, "externalId"),
        folded: fold_resource(kind, &resource),
        resource: Value::Object(resource),
        version: before.version + 1,
        updated_at: tx.now(),
        ..before
    };
    tx.update(row.clone()).await.map_err(Error::of_group)?;
    let (organization, image) = (row.organization_id, Some(image));
    changes::record(tx, OrganizationId(organization), ChangeKind::Group, ChangeAction::Update, row.id, image)
        .await?;
    let changed = json!({"attributes": attributes});
    tx.record("group.update", Target::new("group", row.id).with(changed));
    tx.emit(&GroupUpdated(facts(&row, attributes)));
    Ok(row)
}

/// Removes a group.
///
/// # Errors
/// `not_found`.
pub async fn delete_group(tx: &mut Tx, organization: OrganizationId, id: Uuid) -> Result<(), Error> {
    let row = store::group_locked(tx, organization, id).await?.ok_or(Error::NotFound)?;
    let affected = super::roles::affected_by_group(tx, organization, id).await?;
    lock_users(tx, organization.0, affected.clone()).await?;
    for kind in [Kind::User, Kind::Group] {
        let all = members::all(tx, kind, organization, id).await?;
        changes::record_members(tx, organization, kind.change(), ChangeAction::Remove, id, &all).await?;
    }
    for holder in members::holders(tx, Kind::Group, organization, id).await? {
        changes::record_members(tx, organization, ChangeKind::Child, ChangeAction::Remove, holder, &[id])
            .await?;
    }
    let image = Some(group_image(&row));
    changes::record(tx, organization, ChangeKind::Group, ChangeAction::Delete, id, image).await?;
    let removal = tx.remove::<group::Entity>().filter(group::Column::OrganizationId.eq(organization));
    tx.purge(removal.filter(group::Column::Id.eq(id))).await?;
    tx.record("group.delete", Target::new("group", id));
    tx.emit(&GroupDeleted(facts(&row, Vec::new())));
    super::roles::recompute(tx, organization.0, &affected).await?;
    Ok(quota::give_back(tx, QUOTA, 1).await?)
}

/// A change of a group's members: users and groups, told apart here.
#[derive(Clone, Debug)]
pub enum MemberEdit {
    /// These come in.
    Add(Vec<Uuid>),
    /// These go.
    Remove(Vec<Uuid>),
    /// These, and no others, are in.
    Replace(Vec<Uuid>),
}

/// Who came and who went.
#[derive(Debug, Default)]
struct Moved {
    users: Vec<Uuid>,
    groups: Vec<Uuid>,
}

/// Changes the members of a group that the transaction locked, for itself or [shared](crate::group_share_locked); tells how many memberships came or went.
///
/// # Errors
/// `validation.failed` (`invalidValue`) if a member isn't a user or group of the organization, or would close a circle.
pub async fn set_members(tx: &mut Tx, group: &group::Model, edits: &[MemberEdit]) -> Result<u64, Error> {
    let roles = roles::by_group(tx, group.organization_id).await?;
    if roles == RolesByGroup::Given {
        lock_moved(tx, group, edits).await?;
    }
    let mut moved = Moved::default();
    for edit in edits {
        match edit {
            MemberEdit::Remove(ids) => take_out(tx, group, ids, &mut moved).await?,
            MemberEdit::Replace(ids) => {
                for kind in [Kind::User, Kind::Group] {
                    let gone =
                        members::retain_only(tx, kind, OrganizationId(group.organization_id), group.id, ids)
                            .await?;
                    record_moved(tx, group, kind, ChangeAction::Remove, gone, &mut moved).await?;
                }
                put_in(tx, group, ids, &mut moved).await?;
            }
            MemberEdit::Add(ids) => put_in(tx, group, ids, &mut moved).await?,
        }
    }
    let changed = moved.users.len() + moved.groups.len();
    if changed > 0 && roles == RolesByGroup::Given {
        super::roles::after_move(tx, group, moved.users, &moved.groups).await?;
    }
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

/// Locks the groups that come or go with all below them, and the users whose role may change, before anything is written: an insert into a
/// group takes a share in each user's row, and two transactions that both have one can't both go on to change the user.
async fn lock_moved(tx: &Tx, group: &group::Model, edits: &[MemberEdit]) -> Result<(), DbError> {
    let organization = group.organization_id;
    let mut moved = HashSet::new();
    for edit in edits {
        match edit {
            MemberEdit::Add(ids) | MemberEdit::Remove(ids) => moved.extend(ids.iter().copied()),
            MemberEdit::Replace(ids) => {
                let mut there = HashSet::new();
                for kind in [Kind::User, Kind::Group] {
                    there.extend(members::all(tx, kind, OrganizationId(organization), group.id).await?);
                }
                let wanted: HashSet<Uuid> = ids.iter().copied().collect();
                moved.extend(there.symmetric_difference(&wanted));
            }
        }
    }
    let mut moved: Vec<Uuid> = moved.into_iter().collect();
    let groups = members::known(tx, Kind::Group, organization, &moved).await?;
    if !groups.is_empty() {
        store::lock_trees(tx, organization, &groups).await?;
        moved.extend(members::users_in(tx, organization, &groups).await?);
    }
    lock_users(tx, organization, moved).await
}

async fn record_moved(
    tx: &Tx,
    group: &group::Model,
    kind: Kind,
    action: ChangeAction,
    ids: Vec<Uuid>,
    moved: &mut Moved,
) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    changes::record_members(tx, OrganizationId(group.organization_id), kind.change(), action, group.id, &ids)
        .await?;
    match kind {
        Kind::User => moved.users.extend(ids),
        Kind::Group => moved.groups.extend(ids),
    }
    Ok(())
}

async fn take_out(tx: &Tx, group: &group::Model, ids: &[Uuid], moved: &mut Moved) -> Result<(), DbError> {
    let gone = members::remove(tx, Kind::User, OrganizationId(group.organization_id), group.id, ids).await?;
    // An id is a user's or a group's: who was found among the users isn't looked for among the groups.
    let all = gone.len() == ids.len();
    record_moved(tx, group, Kind::User, ChangeAction::Remove, gone, moved).await?;
    if all {
        return Ok(());
    }
    let gone = members::remove(tx, Kind::Group, OrganizationId(group.organization_id), group.id, ids).await?;
    record_moved(tx, group, Kind::Group, ChangeAction::Remove, gone, moved).await
}

async fn put_in(tx: &mut Tx, group: &group::Model, ids: &[Uuid], moved: &mut Moved) -> Result<(), Error> {
    let organization = group.organization_id;
    let added = members::add(tx, Kind::User, OrganizationId(organization), group.id, ids).await?;
    let all = added.len() == ids.len();
    record_moved(tx, group, Kind::User, ChangeAction::Add, added, moved).await?;
    if all {
        return Ok(());
    }
    let users: HashSet<Uuid> = members::known(tx, Kind::User, organization, ids).await?.into_iter().collect();
    let rest: Vec<Uuid> = ids.iter().copied().filter(|id| !users.contains(id)).collect();
    if rest.is_empty() {
        return Ok(());
    }
    // Two groups that take each other in at the same moment must see each other.
    tx.exclusive(Rule::GroupNesting, organization).await?;
    if members::known(tx, Kind::Group, organization, &rest).await?.len() < rest.len() {
        return Err(Error::MemberUnknown);
    }
    if members::would_circle(tx, OrganizationId(organization), group.id, &rest).await? {
        return Err(Error::MemberCircle);
    }
    let added = members::add(tx, Kind::Group, OrganizationId(organization), group.id, &rest).await?;
    Ok(record_moved(tx, group, Kind::Group, ChangeAction::Add, added, moved).await?)
}

/// Notes that a group's members changed: its version and time move, without reading or writing anything else of it. The
/// row is written just before the commit, because everybody who changes the group's members wants it. Answers the row as
/// it will be; if others changed the group meanwhile it will be further, and a version that is behind is what they are
/// told by, too.
pub fn touch_group(tx: &mut Tx, row: group::Model, changed: u64) -> group::Model {
    if changed == 0 {
        tx.housekeeping();
        return row;
    }
    let now = tx.now();
    store::touch_at_commit(tx, &row);
    tx.record("group.members", Target::new("group", row.id).with(json!({"changed": changed})));
    tx.emit(&GroupUpdated(facts(&row, vec!["members".to_owned()])));
    group::Model { version: row.version + 1, updated_at: now, ..row }
}
