//! Queries over memberships: users in groups, and groups in groups.

use std::collections::HashMap;

use entity::directory::states::ChangeKind;
use entity::ids::OrganizationId;
use platform::{DbError, Statement, Tx, View};
use uuid::Uuid;

/// Ids in one statement.
pub(crate) const IDS_MAX: usize = 5_000;

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: Uuid,
    /// Whether it is a group.
    pub is_group: bool,
    /// Its name for people.
    pub display: Option<String>,
}

/// A group that a user is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: Uuid,
    /// Its name.
    pub display: String,
    /// Whether the user is a member themselves, not by a group within it.
    pub direct: bool,
}

/// Members of these groups, by group; `None` if there are more than `limit` in all. One query.
pub async fn members(
    view: &View,
    organization: Uuid,
    groups: &[Uuid],
    limit: usize,
) -> Result<Option<HashMap<Uuid, Vec<Member>>>, DbError> {
    let mut found: HashMap<Uuid, Vec<Member>> = HashMap::new();
    if groups.is_empty() {
        return Ok(Some(found));
    }
    let (test, list) = view.id_list(groups, "$3");
    let sql = format!(
        "SELECT m.group_id, m.user_id AS member_id, u.display_name, 0 AS nested FROM directory_group_member m \
         JOIN directory_user u ON u.tenant_id = m.tenant_id AND u.organization_id = m.organization_id AND u.id = m.user_id \
         WHERE m.tenant_id = $1 AND m.organization_id = $2 AND m.group_id {test} \
         UNION ALL SELECT m.group_id, m.child_id, g.display_name, 1 FROM directory_group_child m \
         JOIN directory_group g ON g.tenant_id = m.tenant_id AND g.organization_id = m.organization_id AND g.id = m.child_id \
         WHERE m.tenant_id = $1 AND m.organization_id = $2 AND m.group_id {test} LIMIT {}",
        limit + 1
    );
    let rows = view.query(&Statement::built(sql)?, vec![organization.into(), list]).await?;
    if rows.len() > limit {
        return Ok(None);
    }
    for row in rows {
        let nested: i32 = row.try_get("", "nested")?;
        let member = Member {
            id: row.try_get("", "member_id")?,
            is_group: nested == 1,
            display: row.try_get("", "display_name")?,
        };
        found.entry(row.try_get("", "group_id")?).or_default().push(member);
    }
    found.values_mut().for_each(|list| list.sort_by_key(|member| (member.is_group, member.id)));
    Ok(Some(found))
}

/// Members of one group behind `after`: users first, then groups, each by id. Fewer than `limit`: there are no more.
pub async fn members_behind(
    view: &View,
    organization: OrganizationId,
    group: Uuid,
    after: Option<&Member>,
    limit: usize,
) -> Result<Vec<Member>, DbError> {
    let part = async |kind: Kind, behind: Uuid, limit: usize| -> Result<Vec<Member>, DbError> {
        let (table, column, named) = kind.table();
        let sql = format!(
            "SELECT m.{column} AS member_id, n.display_name FROM {table} m \
             JOIN {named} n ON n.tenant_id = m.tenant_id AND n.organization_id = m.organization_id AND n.id = m.{column} \
             WHERE m.tenant_id = $1 AND m.organization_id = $2 AND m.group_id = $3 AND m.{column} > $4 \
             ORDER BY m.{column} LIMIT {limit}"
        );
        let rows = view
            .query(&Statement::built(sql)?, vec![organization.into(), group.into(), behind.into()])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Member {
                    id: row.try_get("", "member_id")?,
                    is_group: kind == Kind::Group,
                    display: row.try_get("", "display_name")?,
                })
            })
            .collect()
    };
    let nil = Uuid::nil();
    let mut page = match after {
        Some(last) if last.is_group => return part(Kind::Group, last.id, limit).await,
        Some(last) => part(Kind::User, last.id, limit).await?,
        None => part(Kind::User, nil, limit).await?,
    };
    if page.len() < limit {
        page.extend(part(Kind::Group, nil, limit - page.len()).await?);
    }
    Ok(page)
}

/// Groups of these users, direct and by nesting: user → groups. One query.
pub async fn groups_of(
    view: &View,
    organization: Uuid,
    users: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Membership>>, DbError> {
    let mut found: HashMap<Uuid, Vec<Membership>> = HashMap::new();
    if users.is_empty() {
        return Ok(found);
    }
    let (test, list) = view.id_list(users, "$3");
    let sql = format!(
        "WITH RECURSIVE held(user_id, group_id, direct) AS ( \
         SELECT m.user_id, m.group_id, 1 FROM directory_group_member m \
         WHERE m.tenant_id = $1 AND m.organization_id = $2 AND m.user_id {test} \
         UNION SELECT h.user_id, c.group_id, 0 FROM held h JOIN directory_group_child c \
         ON c.tenant_id = $1 AND c.organization_id = $2 AND c.child_id = h.group_id) \
         SELECT h.user_id, h.group_id, MAX(h.direct) AS direct, g.display_name FROM held h \
         JOIN directory_group g ON g.tenant_id = $1 AND g.organization_id = $2 AND g.id = h.group_id \
         GROUP BY h.user_id, h.group_id, g.display_name ORDER BY h.user_id, h.group_id"
    );
    for row in view.query(&Statement::built(sql)?, vec![organization.into(), list]).await? {
        let direct: i32 = row.try_get("", "direct")?;
        let membership = Membership {
            group: row.try_get("", "group_id")?,
            display: row.try_get("", "display_name")?,
            direct: direct == 1,
        };
        found.entry(row.try_get("", "user_id")?).or_default().push(membership);
    }
    Ok(found)
}

/// Which table a kind of member is in, and under which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Users.
    User,
    /// Groups.
    Group,
}

impl Kind {
    fn table(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::User => ("directory_group_member", "user_id", "directory_user"),
            Kind::Group => ("directory_group_child", "child_id", "directory_group"),
        }
    }

    /// What it is in recorded changes.
    pub(crate) fn change(self) -> ChangeKind {
        match self {
            Kind::User => ChangeKind::Member,
            Kind::Group => ChangeKind::Child,
        }
    }
}

fn ids(rows: &[sea_orm::QueryResult]) -> Result<Vec<Uuid>, DbError> {
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Those of `wanted` that there are in the organization.
pub(crate) async fn known(
    view: &View,
    kind: Kind,
    organization: Uuid,
    wanted: &[Uuid],
) -> Result<Vec<Uuid>, DbError> {
    let (_, _, named) = kind.table();
    let mut found = Vec::new();
    for batch in wanted.chunks(IDS_MAX) {
        let (test, list) = view.id_list(batch, "$3");
        let sql =
            format!("SELECT id FROM {named} WHERE tenant_id = $1 AND organization_id = $2 AND id {test}");
        found.extend(ids(&view.query(&Statement::built(sql)?, vec![organization.into(), list]).await?)?);
    }
    Ok(found)
}

/// Puts members of one kind into a group, those that there are in the organization; tells which were added.
pub(crate) async fn add(
    tx: &Tx,
    kind: Kind,
    organization: OrganizationId,
    group: Uuid,
    wanted: &[Uuid],
) -> Result<Vec<Uuid>, DbError> {
    let (table, column, named) = kind.table();
    let mut added = Vec::new();
    for batch in wanted.chunks(IDS_MAX) {
        let (test, list) = tx.id_list(batch, "$3");
        let sql = format!(
            "INSERT INTO {table} (tenant_id, organization_id, group_id, {column}) \
             SELECT tenant_id, organization_id, $4, id FROM {named} \
             WHERE tenant_id = $1 AND organization_id = $2 AND id {test} ON CONFLICT DO NOTHING RETURNING {column} AS id"
        );
        added.extend(ids(&tx
            .execute_returning(&Statement::built(sql)?, vec![organization.into(), list, group.into()])
            .await?)?);
    }
    Ok(added)
}

/// Takes members of one kind out of a group; tells which went.
pub(crate) async fn remove(
    tx: &Tx,
    kind: Kind,
    organization: OrganizationId,
    group: Uuid,
    wanted: &[Uuid],
) -> Result<Vec<Uuid>, DbError> {
    let (table, column, _) = kind.table();
    let mut removed = Vec::new();
    for batch in wanted.chunks(IDS_MAX) {
        let (test, list) = tx.id_list(batch, "$4");
        let sql = format!(
            "DELETE FROM {table} WHERE tenant_id = $1 AND organization_id = $2 AND group_id = $3 AND {column} {test} \
             RETURNING {column} AS id"
        );
        removed.extend(ids(&tx
            .execute_returning(&Statement::built(sql)?, vec![organization.into(), group.into(), list])
            .await?)?);
    }
    Ok(removed)
}

/// Takes all members of one kind out of a group but `retained`; tells which went.
pub(crate) async fn retain_only(
    tx: &Tx,
    kind: Kind,
    organization: OrganizationId,
    group: Uuid,
    retained: &[Uuid],
) -> Result<Vec<Uuid>, DbError> {
    let (table, column, _) = kind.table();
    let (test, list) = tx.id_list(retained, "$4");
    let sql = format!(
        "DELETE FROM {table} WHERE tenant_id = $1 AND organization_id = $2 AND group_id = $3 AND NOT ({column} {test}) \
         RETURNING {column} AS id"
    );
    ids(&tx.execute_returning(&Statement::built(sql)?, vec![organization.into(), group.into(), list]).await?)
}

/// All members of one kind.
pub(crate) async fn all(
    view: &View,
    kind: Kind,
    organization: OrganizationId,
    group: Uuid,
) -> Result<Vec<Uuid>, DbError> {
    let (table, column, _) = kind.table();
    let sql = format!(
        "SELECT {column} AS id FROM {table} WHERE tenant_id = $1 AND organization_id = $2 AND group_id = $3"
    );
    ids(&view.query(&Statement::built(sql)?, vec![organization.into(), group.into()]).await?)
}

/// Groups that hold this user or group directly.
pub(crate) async fn holders(
    view: &View,
    kind: Kind,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Vec<Uuid>, DbError> {
    let (table, column, _) = kind.table();
    let sql = format!(
        "SELECT group_id AS id FROM {table} WHERE tenant_id = $1 AND organization_id = $2 AND {column} = $3"
    );
    ids(&view.query(&Statement::built(sql)?, vec![organization.into(), id.into()]).await?)
}

/// Whether one of `inner` is `outer` or holds it, however deep: as its member it would close a circle.
pub(crate) async fn would_circle(
    view: &View,
    organization: OrganizationId,
    outer: Uuid,
    inner: &[Uuid],
) -> Result<bool, DbError> {
    let (test, list) = view.id_list(inner, "$4");
    let sql = format!(
        "WITH RECURSIVE above(id) AS (SELECT id FROM directory_group WHERE tenant_id = $1 AND organization_id = $2 AND id = $3 \
         UNION SELECT c.group_id FROM above a JOIN directory_group_child c \
         ON c.tenant_id = $1 AND c.organization_id = $2 AND c.child_id = a.id) \
         SELECT id FROM above WHERE id {test} LIMIT 1"
    );
    Ok(!view.query(&Statement::built(sql)?, vec![organization.into(), outer.into(), list]).await?.is_empty())
}

/// Levels of groups at most; what is deeper is not told.
const LEVELS_MAX: u32 = 1_000;

/// These groups and all in them, by nesting: each behind all that it is in, level by level.
pub(crate) async fn levels_below(
    view: &View,
    organization: Uuid,
    groups: &[Uuid],
) -> Result<Vec<Vec<Uuid>>, DbError> {
    let (test, list) = view.id_list(groups, "$3");
    let sql = format!(
        "WITH RECURSIVE below(id, depth) AS (SELECT id, 0 FROM directory_group WHERE tenant_id = $1 AND organization_id = $2 AND id {test} \
         UNION SELECT c.child_id, b.depth + 1 FROM below b JOIN directory_group_child c \
         ON c.tenant_id = $1 AND c.organization_id = $2 AND c.group_id = b.id WHERE b.depth < {LEVELS_MAX}) \
         SELECT id, MAX(depth) AS depth FROM below GROUP BY id ORDER BY depth, id"
    );
    let mut levels: Vec<Vec<Uuid>> = Vec::new();
    for row in view.query(&Statement::built(sql)?, vec![organization.into(), list]).await? {
        let depth = usize::try_from(row.try_get::<i32>("", "depth")?).unwrap_or_default();
        levels.resize_with(levels.len().max(depth + 1), Vec::new);
        if let Some(level) = levels.get_mut(depth) {
            level.push(row.try_get("", "id")?);
        }
    }
    Ok(levels)
}

/// Users in these groups, directly or by nesting.
pub(crate) async fn users_in(view: &View, organization: Uuid, groups: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    let (test, list) = view.id_list(groups, "$3");
    let sql = format!(
        "WITH RECURSIVE below(id) AS (SELECT id FROM directory_group WHERE tenant_id = $1 AND organization_id = $2 AND id {test} \
         UNION SELECT c.child_id FROM below b JOIN directory_group_child c \
         ON c.tenant_id = $1 AND c.organization_id = $2 AND c.group_id = b.id) \
         SELECT DISTINCT m.user_id AS id FROM below b JOIN directory_group_member m \
         ON m.tenant_id = $1 AND m.organization_id = $2 AND m.group_id = b.id"
    );
    ids(&view.query(&Statement::built(sql)?, vec![organization.into(), list]).await?)
}
