//! Roles by group: a mapped group gives its members, direct or by nesting, a role of the tenant. The highest counts. A
//! role that came from a group goes with it; a role given here stays until a group gives one.

use entity::by_name::ByName;
use entity::directory::states::{ChangeAction, ChangeKind, RoleSource};
use entity::directory::{group, role_mapping, user};
use entity::ids::OrganizationId;
use platform::refusal::Invalid;
use platform::rules::{Rule, check_limit};
use platform::{DbError, Target, Tx, View, Work, ids};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::admins::{self, Held};
use super::users::emit_updated;
use crate::error::Error;
use crate::model::user_image;
use crate::store::members::{self, IDS_MAX};
use crate::store::roles::RolesByGroup;
use crate::store::{changes, groups, roles as store};

/// A role to be given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewRole {
    pub(crate) role: TenantRole,
    /// Who gives it.
    pub(crate) source: RoleSource,
    /// What is left when a sign-in takes it back.
    pub(crate) under: Option<TenantRole>,
}

impl NewRole {
    /// One under which there is none.
    pub(crate) fn new(role: TenantRole, source: RoleSource) -> Self {
        Self { role, source, under: None }
    }
}

/// What a user has whom no group gives a role any more.
const ROLE_WITHOUT: TenantRole = TenantRole::Viewer;

fn highest(roles: &[TenantRole]) -> Option<TenantRole> {
    roles.iter().copied().reduce(TenantRole::or_higher)
}

/// The organization's mappings.
pub async fn role_mappings(view: &View, organization: Uuid) -> Result<Vec<role_mapping::Model>, DbError> {
    store::mappings(view, organization).await
}

/// Maps a group to a role; its members have it at once.
///
/// # Errors
/// `validation.failed` if there is no such group or there are too many mappings, `conflict` if it is mapped already.
pub async fn create_role_mapping(
    tx: &mut Tx,
    organization: OrganizationId,
    group: Uuid,
    role: TenantRole,
) -> Result<role_mapping::Model, Error> {
    let group = groups::group(tx, organization, group).await?;
    let group = group.ok_or_else(|| Invalid::at("/groupId", "is not a group of this organization"))?;
    let there = tx.select::<role_mapping::Entity>();
    let there = there.filter(role_mapping::Column::OrganizationId.eq(organization));
    check_limit(tx, Rule::RoleMappings, organization.0, there, store::MAPPINGS_MAX).await?;
    groups::lock_trees(tx, organization.0, &[group.id]).await?;
    let row = role_mapping::Model {
        tenant_id: tx.tenant(),
        organization_id: organization.0,
        id: ids::new(),
        group_id: group.id,
        role: ByName(role),
        created_at: tx.now(),
    };
    let taken = |error: DbError| {
        if error.conflicts_on("group") { Error::GroupMapped } else { error.into() }
    };
    tx.insert(row.clone()).await.map_err(taken)?;
    tx.record("role_mapping.create", Target::new("group", group.id).with(json!({"role": role.name()})));
    let users = members::users_in(tx, organization.0, &[group.id]).await?;
    recompute(tx, organization.0, &users).await?;
    Ok(row)
}

/// Removes a mapping; its role goes from those who had it by this group alone.
///
/// # Errors
/// `not_found`.
pub async fn delete_role_mapping(tx: &mut Tx, organization: OrganizationId, id: Uuid) -> Result<(), Error> {
    let all = store::mappings(tx, organization.0).await?;
    let row = all.into_iter().find(|one| one.id == id).ok_or(Error::NotFound)?;
    groups::lock_trees(tx, organization.0, &[row.group_id]).await?;
    let removal = tx.remove::<role_mapping::Entity>();
    let removal = removal.filter(role_mapping::Column::OrganizationId.eq(organization));
    if tx.purge(removal.filter(role_mapping::Column::Id.eq(id))).await? == 0 {
        return Err(Error::NotFound);
    }
    tx.record("role_mapping.delete", Target::new("group", row.group_id).with(json!({"role": row.role})));
    let users = members::users_in(tx, organization.0, &[row.group_id]).await?;
    recompute(tx, organization.0, &users).await
}

/// After users and groups came into a group or went, where groups give roles.
pub(super) async fn after_move(
    tx: &mut Tx,
    group: &group::Model,
    mut users: Vec<Uuid>,
    groups: &[Uuid],
) -> Result<(), Error> {
    if !groups.is_empty() {
        users.extend(members::users_in(tx, group.organization_id, groups).await?);
    }
    recompute(tx, group.organization_id, &users).await
}

/// Users whose role may change when a group goes, which nobody else comes into meanwhile.
pub(super) async fn affected_by_group(
    tx: &Tx,
    organization: OrganizationId,
    group: Uuid,
) -> Result<Vec<Uuid>, DbError> {
    if store::by_group(tx, organization.0).await? == RolesByGroup::None {
        return Ok(Vec::new());
    }
    groups::lock_trees(tx, organization.0, &[group]).await?;
    members::users_in(tx, organization.0, &[group]).await
}

/// Gives users the roles that their groups give now. The tenant's last admin stays one, and that is recorded.
pub(super) async fn recompute(tx: &mut Tx, organization: Uuid, users: &[Uuid]) -> Result<(), Error> {
    if users.len() > IDS_MAX {
        // All of them before the first one's rule: locks have an order.
        store::lock_users(tx, organization, users.to_vec()).await?;
    }
    for batch in users.chunks(IDS_MAX) {
        let by_group = store::mapped_groups_of(tx, organization, batch).await?;
        for row in store::users_locked(tx, organization, batch).await? {
            let wanted = by_group.get(&row.id).and_then(|roles| highest(roles));
            let new = match wanted {
                Some(role) => NewRole::new(role, RoleSource::Group),
                None if row.role_source == RoleSource::Group => NewRole::new(ROLE_WITHOUT, RoleSource::Local),
                None => continue,
            };
            if row.role.0 == new.role && row.role_source == new.source {
                continue;
            }
            give(tx, row, new).await?;
        }
    }
    Ok(())
}

/// Gives a user, whose row is locked, a role that nobody asked for just now. The tenant's last admin stays one, and that is
/// recorded.
pub(crate) async fn give(tx: &mut Tx, row: user::Model, new: NewRole) -> Result<user::Model, Error> {
    if new.role != TenantRole::Admin && admins::is_last(tx, &row).await? {
        tx.record(
            "user.role_unchanged",
            Target::new("user", row.id).with(json!({"desired": new.role.name()})),
        );
        return Ok(row);
    }
    put_role(tx, row, new).await
}

/// Gives a user, whose row is locked, a role. The last active admin keeps theirs.
///
/// # Errors
/// `user.last_admin`; `user.managed` if a group gives the user their role.
pub async fn set_role(tx: &mut Tx, before: user::Model, role: TenantRole) -> Result<user::Model, Error> {
    if before.role_source == RoleSource::Group {
        return Err(Error::RoleOfGroup);
    }
    if role != TenantRole::Admin {
        admins::require_another(tx, &before).await?;
    }
    put_role(tx, before, NewRole::new(role, RoleSource::Local)).await
}

/// Writes a role and where it comes from.
async fn put_role(tx: &mut Tx, before: user::Model, new: NewRole) -> Result<user::Model, Error> {
    let details = serde_json::json!({"from": before.role, "to": new.role.name(), "by": new.source});
    let (organization, image) = (before.organization_id, Some(user_image(&before)));
    changes::record(
        tx,
        OrganizationId(organization),
        ChangeKind::User,
        ChangeAction::Update,
        before.id,
        image,
    )
    .await?;
    let held = Held::by(&before);
    let row = user::Model {
        role: ByName(new.role),
        role_source: new.source,
        role_under: new.under.map(ByName),
        version: before.version + 1,
        updated_at: tx.now(),
        ..before
    };
    tx.update(row.clone()).await?;
    admins::count(tx, held, Held::by(&row)).await?;
    tx.record("user.role", Target::new("user", row.id).with(details));
    emit_updated(tx, &row, "role");
    Ok(row)
}
