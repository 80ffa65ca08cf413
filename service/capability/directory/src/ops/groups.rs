//! Groups: made, renamed, filled, removed.

use entity::directory::group;
use platform::tx::Event;
use platform::{DbError, Target, Tx, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use web::{Code, Problem};

use crate::model::fold;
use crate::store::groups as store;

/// The resource of `quota` that a group takes one of.
const QUOTA: &str = "groups";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupFacts<'a> {
    group_id: Uuid,
    organization_id: Uuid,
    display_name: &'a str,
}

macro_rules! group_events {
    ($($variant:ident = $name:literal;)*) => {$(
        #[derive(Serialize)]
        struct $variant<'a>(GroupFacts<'a>);
        impl Event for $variant<'_> {
            const TYPE: &'static str = $name;
        }
    )*};
}

group_events! {
    Created = "group.created";
    Updated = "group.updated";
    Deleted = "group.deleted";
}

fn facts(row: &group::Model) -> GroupFacts<'_> {
    GroupFacts { group_id: row.id, organization_id: row.organization_id, display_name: &row.display_name }
}

fn text(resource: &Map<String, Value>, name: &str) -> Option<String> {
    resource.get(name).and_then(Value::as_str).map(ToOwned::to_owned)
}

fn taken(error: DbError) -> Problem {
    if error.conflicts_on("display_name") || error.conflicts_on("external_id") {
        Problem::new(Code::GroupExists).dialect("uniqueness")
    } else {
        error.into()
    }
}

/// Makes a group without members.
///
/// # Errors
/// `group.exists`, `quota.exceeded`.
pub async fn create_group(
    tx: &mut Tx,
    organization: Uuid,
    resource: Map<String, Value>,
) -> Result<group::Model, Problem> {
    let display_name = text(&resource, "displayName").unwrap_or_default();
    let row = group::Model {
        tenant_id: tx.tenant(),
        organization_id: organization,
        id: ids::new(),
        display_name_key: fold(&display_name),
        display_name,
        external_id: text(&resource, "externalId"),
        resource: Value::Object(resource),
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    tx.insert(row.clone()).await.map_err(taken)?;
    quota::take(tx, QUOTA, 1).await?;
    tx.record("group.create", Target::new("group", row.id));
    tx.emit(&Created(facts(&row)));
    Ok(row)
}

/// Gives a group new attributes. The same attributes change nothing.
///
/// # Errors
/// `group.exists`.
pub async fn rename_group(
    tx: &mut Tx,
    before: group::Model,
    resource: Map<String, Value>,
) -> Result<group::Model, Problem> {
    let resource = Value::Object(resource);
    if before.resource == resource {
        tx.housekeeping();
        return Ok(before);
    }
    let Value::Object(members) = &resource else { return Ok(before) };
    let display_name = text(members, "displayName").unwrap_or_default();
    let row = group::Model {
        display_name_key: fold(&display_name),
        display_name,
        external_id: text(members, "externalId"),
        resource,
        version: before.version + 1,
        updated_at: tx.now(),
        ..before
    };
    tx.update(row.clone()).await.map_err(taken)?;
    tx.record("group.update", Target::new("group", row.id));
    tx.emit(&Updated(facts(&row)));
    Ok(row)
}

/// Removes a group.
///
/// # Errors
/// `not_found`.
pub async fn delete_group(tx: &mut Tx, organization: Uuid, id: Uuid) -> Result<(), Problem> {
    let row = store::group_locked(tx, organization, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    quota::give_back(tx, QUOTA, 1).await?;
    let removal = tx.remove::<group::Entity>().filter(group::Column::OrganizationId.eq(organization));
    tx.purge(removal.filter(group::Column::Id.eq(id))).await?;
    tx.record("group.delete", Target::new("group", id));
    tx.emit(&Deleted(facts(&row)));
    Ok(())
}

/// A change of a group's members.
#[derive(Clone, Debug)]
pub enum MemberEdit {
    /// These come in.
    Add(Vec<Uuid>),
    /// These go.
    Remove(Vec<Uuid>),
    /// These, and no others, are in.
    Replace(Vec<Uuid>),
}

/// Changes a group's members; tells how many memberships came or went.
///
/// # Errors
/// `validation.failed` (`invalidValue`) if a member isn't a user of the organization.
pub async fn set_members(tx: &Tx, group: &group::Model, edits: &[MemberEdit]) -> Result<u64, Problem> {
    let organization = group.organization_id;
    let mut changed = 0;
    for edit in edits {
        let wanted = match edit {
            MemberEdit::Remove(users) => {
                changed += store::remove_members(tx, organization, group.id, users).await?;
                continue;
            }
            MemberEdit::Replace(users) => {
                changed += store::keep_members(tx, organization, group.id, users).await?;
                users
            }
            MemberEdit::Add(users) => users,
        };
        let (known, added) = store::add_members(tx, organization, group.id, wanted).await?;
        if known < wanted.len() {
            let problem =
                Problem::detailed(Code::ValidationFailed, "A member is not a user of this organization.");
            return Err(problem.dialect("invalidValue"));
        }
        changed += added;
    }
    Ok(changed)
}

/// Notes that a group's members changed: its version and time move, without reading or writing anything else of it.
///
/// # Errors
/// [`DbError`].
pub async fn touch_group(tx: &mut Tx, row: &group::Model, changed: u64) -> Result<(), DbError> {
    if changed == 0 {
        tx.housekeeping();
        return Ok(());
    }
    let sql = "UPDATE directory_group SET version = version + 1, updated_at = $4 \
               WHERE tenant_id = $1 AND organization_id = $2 AND id = $3";
    tx.execute(sql, vec![row.organization_id.into(), row.id.into(), tx.now().into()]).await?;
    tx.record("group.members", Target::new("group", row.id).with(json!({"changed": changed})));
    tx.emit(&Updated(facts(row)));
    Ok(())
}
