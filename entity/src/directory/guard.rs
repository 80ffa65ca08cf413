//! The guard against a sync that removes too many.

use sea_orm::entity::prelude::*;

use super::states::GuardState;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_guard")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    pub users_max: Option<i64>,
    pub percent_max: Option<i64>,
    pub window_seconds: i64,
    pub state: GuardState,
    /// `confirmed` and `rejected` end here.
    pub state_until: Option<DateTimeUtc>,
    #[sea_orm(column_name = "held_at")]
    pub blocked_at: Option<DateTimeUtc>,
    /// Removals refused since then.
    #[sea_orm(column_name = "held_count")]
    pub blocked_count: i64,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
