//! What the store knows of itself; one row.

use sea_orm::entity::prelude::*;

use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "store_state")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// When it was last asked by a small write whether it takes writes.
    pub probed_at: Option<DateTimeUtc>,
    /// How many commits failed so that something had to be written over them.
    pub fences: i64,
    /// When all its tables were last checked against their indexes.
    pub checked_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
