//! Queries over groups.

use entity::directory::group;
use entity::ids::OrganizationId;
use platform::{DbError, Statement, Tx, View};
use sea_orm::{ColumnTrait, QueryFilter, Select};
use uuid::Uuid;

use super::members::{self, IDS_MAX};

fn of_organization(view: &View, organization: Uuid) -> Select<group::Entity> {
    view.select::<group::Entity>().filter(group::Column::OrganizationId.eq(organization))
}

/// The group of this id.
pub async fn group(
    view: &View,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<group::Model>, DbError> {
    view.one(of_organization(view, organization.0).filter(group::Column::Id.eq(id))).await
}

/// The group of this id, whose members are about to change: no role is given or taken by it meanwhile.
pub async fn group_share_locked(
    tx: &Tx,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<group::Model>, DbError> {
    tx.lock_key_share(of_organization(tx, organization.0).filter(group::Column::Id.eq(id))).await
}

/// The group of this id, locked.
pub async fn group_locked(
    tx: &Tx,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<group::Model>, DbError> {
    tx.lock(of_organization(tx, organization.0).filter(group::Column::Id.eq(id))).await
}

/// Locks groups and all below them, so that nobody comes into one of them or goes until the transaction ends. What is above comes first,
/// as whoever keeps a group goes on to those below it.
pub(crate) async fn lock_trees(tx: &Tx, organization: Uuid, groups: &[Uuid]) -> Result<(), DbError> {
    let mut locked = Vec::new();
    loop {
        // While we waited another may have come below.
        let levels = members::levels_below(tx, organization, groups).await?;
        if levels == locked {
            return Ok(());
        }
        for level in &levels {
            lock_groups(tx, organization, level).await?;
        }
        locked = levels;
    }
}

/// Locks these groups, in the one order in which several are locked.
pub(crate) async fn lock_groups(tx: &Tx, organization: Uuid, groups: &[Uuid]) -> Result<(), DbError> {
    let mut groups = groups.to_vec();
    groups.sort_unstable();
    for batch in groups.chunks(IDS_MAX) {
        let select = of_organization(tx, organization).filter(group::Column::Id.is_in(batch.iter().copied()));
        tx.lock_all::<_, Uuid>(select, group::Column::Id).await?;
    }
    Ok(())
}

/// Moves a group's version and time, just before the commit.
pub(crate) fn touch_at_commit(tx: &mut Tx, row: &group::Model) {
    const TOUCH: Statement = Statement::of_tenant(
        "UPDATE directory_group SET version = version + 1, updated_at = $4 \
         WHERE tenant_id = $1 AND organization_id = $2 AND id = $3",
    );
    let now = tx.now();
    tx.execute_last(TOUCH, vec![row.organization_id.into(), row.id.into(), now.into()]);
}
