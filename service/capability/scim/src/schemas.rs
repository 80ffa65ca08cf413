//! Schemas that a tenant declares: made, changed so that all that is stored can still be read, and removed.

use entity::scim::schema::{Column, Entity, Model};
use entity::scim::states::ResourceType;
use platform::refusal::Invalid;
use platform::rules::{Rule, check_limit};
use platform::{Target, Tx, Work as _, ids};
use scim_core::schema::{Attribute, Schema};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;
use web::IfMatch;

use crate::error::Error;
use crate::state::SCHEMAS_MAX;
use crate::store;

/// A schema that was read and checked.
pub(crate) struct Declared {
    pub(crate) schema: Schema,
    /// The same as JSON.
    pub(crate) definition: Value,
    pub(crate) resource_type: ResourceType,
}

pub(crate) async fn insert(tx: &mut Tx, declared: Declared) -> Result<Model, Error> {
    check_limit(tx, Rule::ScimSchemas, tx.tenant(), tx.select::<Entity>(), SCHEMAS_MAX).await?;
    let urn = declared.schema.urn;
    let row = Model {
        tenant_id: tx.tenant(),
        id: ids::new(),
        urn_key: urn.to_lowercase(),
        resource_type: declared.resource_type,
        definition: declared.definition,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    tx.insert(row.clone()).await.map_err(Error::of_schema)?;
    tx.record("scim_schema.create", Target::new("scim_schema", row.id).with(json!({"urn": urn})));
    Ok(row)
}

async fn locked(tx: &Tx, id: Uuid) -> Result<Model, Error> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

pub(crate) async fn replace(
    tx: &mut Tx,
    id: Uuid,
    seen: &IfMatch,
    declared: Declared,
) -> Result<Model, Error> {
    let Declared { schema, definition, resource_type } = declared;
    let before = locked(tx, id).await?;
    seen.require(before.version)?;
    let old: Schema = serde_json::from_value(before.definition.clone()).map_err(Error::internal)?;
    if !old.urn.eq_ignore_ascii_case(&schema.urn) || before.resource_type != resource_type {
        return Err(Invalid::at("/id", "can't be changed, nor can the resource type").into());
    }
    if let Some(name) = lost(&old.attributes, &schema.attributes) {
        let detail = format!("`{name}` can't be removed or change its type: resources may have values of it");
        return Err(Invalid::at("/attributes", detail).into());
    }
    let row = Model { definition, version: before.version + 1, updated_at: tx.now(), ..before.clone() };
    tx.update(row.clone()).await?;
    tx.record("scim_schema.update", Target::new("scim_schema", row.id).changed(&before, &row));
    Ok(row)
}

/// An attribute whose values could no longer be read.
fn lost<'a>(old: &'a [Attribute], new: &[Attribute]) -> Option<&'a str> {
    old.iter().find_map(|before| {
        let after = new.iter().find(|after| after.name == before.name);
        let same = |after: &&Attribute| {
            (after.kind, after.multi, after.case_exact) == (before.kind, before.multi, before.case_exact)
        };
        match after.filter(same) {
            None => Some(before.name.as_str()),
            Some(after) => lost(&before.sub, &after.sub),
        }
    })
}

pub(crate) async fn delete(tx: &mut Tx, id: Uuid) -> Result<(), Error> {
    let row = locked(tx, id).await?;
    if store::schemas::in_use(tx, &row).await? {
        return Err(Error::SchemaInUse);
    }
    tx.purge(tx.remove::<Entity>().filter(Column::Id.eq(id))).await?;
    tx.record("scim_schema.delete", Target::new("scim_schema", id));
    Ok(())
}
