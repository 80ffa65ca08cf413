//! Who was in a group.

use std::collections::BTreeMap;

use entity::directory::group;
use entity::directory::restore::Model;
use entity::directory::states::{ChangeAction, ChangeKind};
use entity::ids::OrganizationId;
use platform::Tx;
use serde_json::Value;
use uuid::Uuid;

use super::super::groups::{self, MemberEdit};
use crate::error::Error;
use crate::store::members::{self as member_store, Kind};
use crate::store::{changes, groups as group_store};

/// Undoes a group's changes one by one, from the last to the first, on paper; then does what came out of it.
pub(super) async fn put_back(tx: &mut Tx, restore: &Model, id: Uuid) -> Result<(), Error> {
    let organization = restore.organization_id;
    let Some(row): Option<group::Model> =
        group_store::group_locked(tx, OrganizationId(organization), id).await?
    else {
        return Ok(());
    };
    let mut wanted: BTreeMap<Uuid, bool> = BTreeMap::new();
    for kind in [ChangeKind::Member, ChangeKind::Child] {
        let at = (organization, id);
        for change in changes::member_changes(tx, at, kind, restore.moment, restore.created_at).await? {
            let ids = change.before.as_ref().and_then(Value::as_array).into_iter().flatten();
            for id in ids.filter_map(|id| Uuid::try_parse(id.as_str()?).ok()) {
                wanted.insert(id, change.action == ChangeAction::Remove);
            }
        }
    }
    let pick = |present: bool| -> Vec<Uuid> {
        wanted.iter().filter(|(_, there)| **there == present).map(|(id, _)| *id).collect()
    };
    let (back, out) = (pick(true), pick(false));
    let mut there = member_store::known(tx, Kind::User, organization, &back).await?;
    there.extend(member_store::known(tx, Kind::Group, organization, &back).await?);
    let changed = groups::set_members(tx, &row, &[MemberEdit::Remove(out), MemberEdit::Add(there)]).await?;
    groups::touch_group(tx, row, changed);
    Ok(())
}
