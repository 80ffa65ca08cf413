//! Queries over recorded changes.

use entity::directory::change;
use entity::directory::states::{ChangeAction, ChangeKind};
use entity::ids::OrganizationId;
use platform::{DbError, Statement, Timestamp, Tx, View, ids};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::model::DIRECTORY;

/// Ids in one recorded change.
const IDS_MAX: usize = 5_000;

/// Records what was there before. Of removals several in one transaction are counted, so they are written at once.
pub(crate) async fn record(
    tx: &mut Tx,
    organization: OrganizationId,
    kind: ChangeKind,
    action: ChangeAction,
    subject: Uuid,
    before: Option<Value>,
) -> Result<(), DbError> {
    let row = row(tx, organization, (kind, action), subject, before);
    match action {
        ChangeAction::Deactivate | ChangeAction::Delete => tx.insert(row).await,
        _ => {
            tx.insert_last(row);
            Ok(())
        }
    }
}

/// Records which members came or went.
pub(crate) async fn record_members(
    tx: &Tx,
    organization: OrganizationId,
    kind: ChangeKind,
    action: ChangeAction,
    group: Uuid,
    members: &[Uuid],
) -> Result<(), DbError> {
    // One at a time: a group of 100,000 never is one statement.
    for batch in members.chunks(IDS_MAX) {
        let ids = batch.iter().map(|id| Value::String(id.simple().to_string())).collect();
        tx.insert(row(tx, organization, (kind, action), group, Some(ids))).await?;
    }
    Ok(())
}

fn row(
    tx: &Tx,
    organization: OrganizationId,
    (kind, action): (ChangeKind, ChangeAction),
    subject: Uuid,
    before: Option<Value>,
) -> change::Model {
    let ctx = tx.ctx();
    change::Model {
        tenant_id: tx.tenant(),
        organization_id: organization.0,
        id: ids::new(),
        occurred_at: tx.now(),
        request_id: ctx.request_id.clone(),
        actor_kind: ctx.actor.kind.to_owned(),
        actor_id: ctx.actor.id.clone(),
        kind,
        action,
        subject_id: subject,
        before,
    }
}

/// How many different users were deactivated or deleted by identity providers since a moment.
pub(crate) async fn removals_since(
    view: &View,
    organization: Uuid,
    since: Timestamp,
) -> Result<i64, DbError> {
    const REMOVALS: Statement = Statement::of_tenant(
        "SELECT COUNT(DISTINCT subject_id) AS n FROM directory_change WHERE tenant_id = $1 AND organization_id = $2 \
         AND occurred_at >= $3 AND kind = 'user' AND action IN ('deactivate', 'delete') AND actor_kind = $4",
    );
    let rows = view.query(&REMOVALS, vec![organization.into(), since.into(), DIRECTORY.into()]).await?;
    Ok(rows.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0))
}

/// The first change of each user and group after `since` and up to `until`: (kind, subject, change).
pub(crate) async fn first_changes(
    view: &View,
    organization: Uuid,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<(ChangeKind, Uuid, Uuid, ChangeAction)>, DbError> {
    const FIRST: Statement = Statement::of_tenant(
        "SELECT kind, subject_id, id, action FROM (SELECT kind, subject_id, id, action, \
         ROW_NUMBER() OVER (PARTITION BY kind, subject_id ORDER BY occurred_at, id) AS place FROM directory_change \
         WHERE tenant_id = $1 AND organization_id = $2 AND occurred_at > $3 AND occurred_at <= $4) AS ranked \
         WHERE place = 1 ORDER BY kind, subject_id",
    );
    let rows = view.query(&FIRST, vec![organization.into(), since.into(), until.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get("", "kind")?,
                row.try_get("", "subject_id")?,
                row.try_get("", "id")?,
                row.try_get("", "action")?,
            ))
        })
        .collect()
}

/// One change.
pub(crate) async fn get(
    view: &View,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<change::Model>, DbError> {
    let select = view.select::<change::Entity>().filter(change::Column::OrganizationId.eq(organization));
    view.one(select.filter(change::Column::Id.eq(id))).await
}

/// Removals of these users after `since` and up to `until`, in order.
pub(crate) async fn removals(
    view: &View,
    organization: Uuid,
    users: &[Uuid],
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<change::Model>, DbError> {
    let select = view
        .select::<change::Entity>()
        .filter(change::Column::OrganizationId.eq(organization))
        .filter(change::Column::OccurredAt.gt(since))
        .filter(change::Column::OccurredAt.lte(until))
        .filter(change::Column::Action.eq(ChangeAction::Delete))
        .filter(change::Column::SubjectId.is_in(users.iter().copied()));
    view.all(select.order_by_asc(change::Column::OccurredAt).order_by_asc(change::Column::Id)).await
}

/// A group's changes of one kind of members after `since` and up to `until`, the last first.
pub(crate) async fn member_changes(
    view: &View,
    (organization, group): (Uuid, Uuid),
    kind: ChangeKind,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<change::Model>, DbError> {
    let select = view
        .select::<change::Entity>()
        .filter(change::Column::OrganizationId.eq(organization))
        .filter(change::Column::SubjectId.eq(group))
        .filter(change::Column::Kind.eq(kind))
        .filter(change::Column::OccurredAt.gt(since))
        .filter(change::Column::OccurredAt.lte(until));
    let order = select.order_by_desc(change::Column::OccurredAt).order_by_desc(change::Column::Id);
    view.all(order).await
}

/// Changes that this transaction has made so far, the first ones.
pub async fn changes_so_far(
    tx: &mut Tx,
    organization: Uuid,
    limit: u64,
) -> Result<Vec<change::Model>, DbError> {
    let Some(request) = tx.ctx().request_id.clone() else { return Ok(Vec::new()) };
    tx.insert_left().await?;
    changes_of_request(tx, organization, &request, tx.now(), limit).await
}

/// Changes that one request made, the first ones.
pub async fn changes_of_request(
    view: &View,
    organization: Uuid,
    request_id: &str,
    around: Timestamp,
    limit: u64,
) -> Result<Vec<change::Model>, DbError> {
    let window = chrono::TimeDelta::minutes(5);
    let select = view
        .select::<change::Entity>()
        .filter(change::Column::OrganizationId.eq(organization))
        .filter(change::Column::OccurredAt.between(around - window, around + window))
        .filter(change::Column::RequestId.eq(request_id));
    view.all(select.order_by_asc(change::Column::Id).limit(limit)).await
}
