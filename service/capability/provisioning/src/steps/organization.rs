//! The organization that every tenant has.

use entity::tenancy::organization;
use platform::{Target, Tx, Work, ids};

use super::{Step, Undo, directory};
use crate::model::StepError;

pub(super) const MAKE: Step = Step {
    name: "organization",
    does: "creates the organization `default`",
    waits_for: None,
    away: None,
    commit: |_, tx, _| Box::pin(make(tx)),
    undo: Undo::Here(|_, tx| Box::pin(directory::purge(tx))),
};

async fn make(tx: &mut Tx) -> Result<(), StepError> {
    if tenancy::find_organization(tx, "default").await?.is_some() {
        return Ok(());
    }
    let row = organization::Model {
        tenant_id: tx.tenant(),
        id: ids::new(),
        slug: "default".to_owned(),
        name: "Default".to_owned(),
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    tx.insert(row.clone()).await?;
    tx.record("organization.create", Target::new("organization", row.id));
    Ok(())
}
