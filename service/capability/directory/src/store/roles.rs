//! Queries over roles by group.

use std::collections::HashMap;

use entity::by_name::ByName;
use entity::directory::{role_mapping, user};
use platform::{DbError, Statement, Tx, View};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::members::IDS_MAX;

/// Mappings of one organization.
pub(crate) const MAPPINGS_MAX: u64 = 500;

/// An organization's mappings.
pub(crate) async fn mappings(view: &View, organization: Uuid) -> Result<Vec<role_mapping::Model>, DbError> {
    let select = view.select::<role_mapping::Entity>();
    view.all(select.filter(role_mapping::Column::OrganizationId.eq(organization)).limit(MAPPINGS_MAX)).await
}

/// Whether groups of an organization give roles: then who changes a group's members changes users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RolesByGroup {
    Given,
    None,
}

/// Whether groups of this organization give roles.
pub(crate) async fn by_group(view: &View, organization: Uuid) -> Result<RolesByGroup, DbError> {
    let select = view.select::<role_mapping::Entity>();
    let one = view.one(select.filter(role_mapping::Column::OrganizationId.eq(organization))).await?;
    Ok(if one.is_some() { RolesByGroup::Given } else { RolesByGroup::None })
}

/// The mapped groups that hold each of these users, directly or by nesting.
pub(crate) async fn mapped_groups_of(
    view: &View,
    organization: Uuid,
    users: &[Uuid],
) -> Result<HashMap<Uuid, Vec<TenantRole>>, DbError> {
    let (test, list) = view.id_list(users, "$3");
    let sql = format!(
        "WITH RECURSIVE held(user_id, group_id) AS ( \
         SELECT m.user_id, m.group_id FROM directory_group_member m \
         WHERE m.tenant_id = $1 AND m.organization_id = $2 AND m.user_id {test} \
         UNION SELECT h.user_id, c.group_id FROM held h JOIN directory_group_child c \
         ON c.tenant_id = $1 AND c.organization_id = $2 AND c.child_id = h.group_id) \
         SELECT h.user_id, r.role FROM held h JOIN directory_role_mapping r \
         ON r.tenant_id = $1 AND r.organization_id = $2 AND r.group_id = h.group_id"
    );
    let mut found: HashMap<Uuid, Vec<TenantRole>> = HashMap::new();
    for row in view.query(&Statement::built(sql)?, vec![organization.into(), list]).await? {
        let role: ByName<TenantRole> = row.try_get("", "role")?;
        found.entry(row.try_get("", "user_id")?).or_default().push(role.0);
    }
    Ok(found)
}

/// Locks these users, in the one order in which several are locked.
pub(crate) async fn lock_users(tx: &Tx, organization: Uuid, mut users: Vec<Uuid>) -> Result<(), DbError> {
    users.sort_unstable();
    for batch in users.chunks(IDS_MAX) {
        let select = tx.select::<user::Entity>().filter(user::Column::OrganizationId.eq(organization));
        let select = select.filter(user::Column::Id.is_in(batch.iter().copied()));
        tx.lock_all::<_, Uuid>(select, user::Column::Id).await?;
    }
    Ok(())
}

/// These users, locked.
pub(crate) async fn users_locked(
    tx: &Tx,
    organization: Uuid,
    users: &[Uuid],
) -> Result<Vec<user::Model>, DbError> {
    let select = tx.select::<user::Entity>().filter(user::Column::OrganizationId.eq(organization));
    let select = select.filter(user::Column::Id.is_in(users.iter().copied()));
    tx.lock_rows(select, user::Column::Id).await
}

/// Active admins of the tenant.
pub(crate) async fn admins(view: &View) -> Result<u64, DbError> {
    let admins = view.select::<user::Entity>().filter(user::Column::Role.eq(ByName(TenantRole::Admin)));
    view.count(admins.filter(user::Column::Active.eq(true))).await
}
