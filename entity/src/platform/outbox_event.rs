//! Something that happened, waiting to be told.

use sea_orm::entity::prelude::*;

use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox_event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant_id: Option<Uuid>,
    #[sea_orm(column_name = "type", enum_name = "Type")]
    pub r#type: String,
    pub data: Json,
    pub occurred_at: DateTimeUtc,
    pub request_id: Option<String>,
    pub dispatched_at: Option<DateTimeUtc>,
    /// Its place in the order in which events are told.
    pub sequence: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
