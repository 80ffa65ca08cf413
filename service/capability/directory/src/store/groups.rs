//! Queries over groups and members.

use std::collections::HashMap;

use entity::directory::{group, group_member};
use platform::{DbError, Tx, View};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use super::users::GroupTerm;
use crate::model::fold;

/// Ids in one statement.
const IDS_MAX: usize = 5_000;

fn of_organization(view: &View, organization: Uuid) -> Select<group::Entity> {
    view.select::<group::Entity>().filter(group::Column::OrganizationId.eq(organization))
}

/// The group of this id.
///
/// # Errors
/// [`DbError`].
pub async fn group(view: &View, organization: Uuid, id: Uuid) -> Result<Option<group::Model>, DbError> {
    view.one(of_organization(view, organization).filter(group::Column::Id.eq(id))).await
}

/// The group of this id, locked.
///
/// # Errors
/// [`DbError`].
pub async fn group_locked(tx: &Tx, organization: Uuid, id: Uuid) -> Result<Option<group::Model>, DbError> {
    tx.lock(of_organization(tx, organization).filter(group::Column::Id.eq(id))).await
}

/// Groups that all terms find, by id: a page and the total. `limit` 0 reads none of them.
///
/// # Errors
/// [`DbError`].
pub async fn list_groups(
    view: &View,
    organization: Uuid,
    terms: &[GroupTerm],
    offset: u64,
    limit: u64,
) -> Result<(Vec<group::Model>, u64), DbError> {
    let mut condition = Condition::all();
    for term in terms {
        condition = condition.add(match term {
            GroupTerm::Id(Some(id)) => group::Column::Id.eq(*id),
            GroupTerm::Id(None) | GroupTerm::Member(None) => Expr::val(1).eq(0),
            GroupTerm::DisplayName(name) => group::Column::DisplayNameKey.eq(fold(name)),
            GroupTerm::ExternalId(id) => group::Column::ExternalId.eq(id),
            GroupTerm::Member(Some(user)) => {
                let mut members = Query::select();
                members
                    .column(group_member::Column::GroupId)
                    .from(group_member::Entity)
                    .and_where(group_member::Column::TenantId.eq(view.tenant()))
                    .and_where(group_member::Column::OrganizationId.eq(organization))
                    .and_where(group_member::Column::UserId.eq(*user));
                group::Column::Id.in_subquery(members)
            }
        });
    }
    let select = of_organization(view, organization).filter(condition);
    let total = view.count(select.clone()).await?;
    if limit == 0 || offset >= total {
        return Ok((Vec::new(), total));
    }
    let page = view.all(select.order_by_asc(group::Column::Id).offset(offset).limit(limit)).await?;
    Ok((page, total))
}

/// Members of these groups: group → (user, display name), one query for all.
///
/// # Errors
/// [`DbError`].
pub async fn members(
    view: &View,
    organization: Uuid,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<(Uuid, Option<String>)>>, DbError> {
    let mut found: HashMap<Uuid, Vec<(Uuid, Option<String>)>> = HashMap::new();
    if groups.is_empty() {
        return Ok(found);
    }
    let (test, list) = view.id_list(groups, "$3");
    let sql = format!(
        "SELECT m.group_id, m.user_id, u.display_name FROM directory_group_member m \
         JOIN directory_user u ON u.tenant_id = m.tenant_id AND u.organization_id = m.organization_id AND u.id = m.user_id \
         WHERE m.tenant_id = $1 AND m.organization_id = $2 AND m.group_id {test} ORDER BY m.group_id, m.user_id"
    );
    for row in view.query(&sql, vec![organization.into(), list]).await? {
        let group: Uuid = row.try_get("", "group_id")?;
        found.entry(group).or_default().push((row.try_get("", "user_id")?, row.try_get("", "display_name")?));
    }
    Ok(found)
}

/// Groups of these users: user → (group, display name), one query for all.
///
/// # Errors
/// [`DbError`].
pub async fn groups_of(
    view: &View,
    organization: Uuid,
    users: &[Uuid],
) -> Result<HashMap<Uuid, Vec<(Uuid, String)>>, DbError> {
    let mut found: HashMap<Uuid, Vec<(Uuid, String)>> = HashMap::new();
    if users.is_empty() {
        return Ok(found);
    }
    let (test, list) = view.id_list(users, "$3");
    let sql = format!(
        "SELECT m.user_id, m.group_id, g.display_name FROM directory_group_member m \
         JOIN directory_group g ON g.tenant_id = m.tenant_id AND g.organization_id = m.organization_id AND g.id = m.group_id \
         WHERE m.tenant_id = $1 AND m.organization_id = $2 AND m.user_id {test} ORDER BY m.user_id, m.group_id"
    );
    for row in view.query(&sql, vec![organization.into(), list]).await? {
        let user: Uuid = row.try_get("", "user_id")?;
        found.entry(user).or_default().push((row.try_get("", "group_id")?, row.try_get("", "display_name")?));
    }
    Ok(found)
}

/// Puts users into a group; those that aren't of the organization are left out. Tells how many of `users` there are in
/// the organization, and how many rows were added.
pub(crate) async fn add_members(
    tx: &Tx,
    organization: Uuid,
    group: Uuid,
    users: &[Uuid],
) -> Result<(usize, u64), DbError> {
    let (mut known, mut added) = (0, 0);
    for batch in users.chunks(IDS_MAX) {
        let (test, list) = tx.id_list(batch, "$3");
        let count = format!(
            "SELECT COUNT(*) AS n FROM directory_user WHERE tenant_id = $1 AND organization_id = $2 AND id {test}"
        );
        let rows = tx.query(&count, vec![organization.into(), list.clone()]).await?;
        let n: i64 = rows.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0);
        known += usize::try_from(n).unwrap_or(0);
        let sql = format!(
            "INSERT INTO directory_group_member (tenant_id, organization_id, group_id, user_id) \
             SELECT tenant_id, organization_id, $4, id FROM directory_user \
             WHERE tenant_id = $1 AND organization_id = $2 AND id {test} ON CONFLICT DO NOTHING"
        );
        added += tx.execute(&sql, vec![organization.into(), list, group.into()]).await?;
    }
    Ok((known, added))
}

/// Takes users out of a group; tells how many rows went.
pub(crate) async fn remove_members(
    tx: &Tx,
    organization: Uuid,
    group: Uuid,
    users: &[Uuid],
) -> Result<u64, DbError> {
    let mut removed = 0;
    for batch in users.chunks(IDS_MAX) {
        let (test, list) = tx.id_list(batch, "$4");
        let sql = format!(
            "DELETE FROM directory_group_member WHERE tenant_id = $1 AND organization_id = $2 AND group_id = $3 AND user_id {test}"
        );
        removed += tx.execute(&sql, vec![organization.into(), group.into(), list]).await?;
    }
    Ok(removed)
}

/// Takes everybody out of a group but `kept`; tells how many rows went.
pub(crate) async fn keep_members(
    tx: &Tx,
    organization: Uuid,
    group: Uuid,
    kept: &[Uuid],
) -> Result<u64, DbError> {
    let (test, list) = tx.id_list(kept, "$4");
    let sql = format!(
        "DELETE FROM directory_group_member WHERE tenant_id = $1 AND organization_id = $2 AND group_id = $3 AND NOT (user_id {test})"
    );
    tx.execute(&sql, vec![organization.into(), group.into(), list]).await
}
