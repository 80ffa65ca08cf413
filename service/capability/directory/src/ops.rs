//! What is done with users and groups.

pub(crate) mod expected;
pub(crate) mod groups;
pub(crate) mod guard;
pub(crate) mod restore;
pub(crate) mod roles;
pub(crate) mod users;

use entity::tenancy::organization;
use platform::{DbError, Tx};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;

/// Makes those wait who change the shape of the same organization's groups.
async fn lock_organization(tx: &Tx, id: Uuid) -> Result<(), DbError> {
    tx.lock(tx.select::<organization::Entity>().filter(organization::Column::Id.eq(id))).await.map(drop)
}
