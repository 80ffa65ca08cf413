//! What a tenant bought.

use sea_orm::entity::prelude::*;

use crate::scope::{PlatformOwned, SharedWithTenants};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plan")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub name: String,
    /// {"users": 5, ...}; null: unlimited.
    pub quotas: Json,
    pub rate_multiplier: i64,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// Crossing one is told, not refused.
    pub soft_quotas: Json,
    pub entitlements: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}

// Its limits become the tenant's.
impl SharedWithTenants for Entity {}
