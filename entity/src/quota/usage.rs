//! Limit and usage of one resource.

use sea_orm::entity::prelude::*;

use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quota")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    /// NULL: unlimited.
    pub limit_value: Option<i64>,
    pub used: i64,
    pub updated_at: DateTimeUtc,
    /// Whether the limit is the tenant's own, not the plan's.
    pub limit_own: bool,
    pub limit_soft: Option<i64>,
    pub reserved: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
