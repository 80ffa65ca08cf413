//! What came in from another product.

use sea_orm::entity::prelude::*;

use super::source::Source;
use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "inbox_event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: Source,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub r#type: String,
    pub payload: Json,
    pub occurred_at: DateTimeUtc,
    pub received_at: DateTimeUtc,
    #[sea_orm(column_name = "settled_at")]
    pub processed_at: Option<DateTimeUtc>,
    pub outcome: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
