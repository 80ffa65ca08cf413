//! By what people who are put back come in.

use std::collections::BTreeMap;

use entity::directory::restore::Model;
use entity::directory::user;
use platform::{DbError, Tx};
use serde_json::Value;
use uuid::Uuid;

use super::item::Item;
use crate::error::Error;
use crate::ops::users;
use crate::store::{changes, users as store};

/// (Issuer, subject) by which people came in when they were removed. It stands with their removal, which need not be the first thing that
/// happened to them since.
pub(super) struct Links(BTreeMap<Uuid, Value>);

impl Links {
    /// Of those among these things who were removed since.
    pub(super) async fn of(tx: &Tx, restore: &Model, next: &[Item]) -> Result<Self, DbError> {
        let users = next.iter().filter_map(|item| match item {
            Item::User(id, _) => Some(*id),
            _ => None,
        });
        let users: Vec<Uuid> = users.collect();
        if users.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let period = (restore.moment, restore.created_at);
        let removals = changes::removals(tx, restore.organization_id, &users, period).await?;
        let of_removal = |one: entity::directory::change::Model| {
            let links = one.before.as_ref()?.get("identities")?.clone();
            Some((one.subject_id, links))
        };
        Ok(Self(removals.into_iter().filter_map(of_removal).collect()))
    }

    /// They come in by the same again, unless it is somebody else's by now.
    pub(super) async fn make(&self, tx: &mut Tx, row: &user::Model) -> Result<(), Error> {
        for pair in self.0.get(&row.id).and_then(Value::as_array).into_iter().flatten() {
            let part = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
            if store::find_identity(tx, part(0), part(1)).await?.is_none() {
                users::link(tx, row, part(0), part(1)).await?;
            }
        }
        Ok(())
    }
}
