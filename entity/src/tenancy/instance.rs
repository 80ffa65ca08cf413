//! A running deployment that hosts tenants.

use sea_orm::entity::prelude::*;

use super::states::{Driver, InstanceHealth, InstanceStatus, Mode};
use crate::scope::{PlatformOwned, SharedWithTenants};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "instance")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub driver: Driver,
    pub mode: Mode,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub status: InstanceStatus,
    pub capacity: i64,
    pub tenant_count: i64,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub health: InstanceHealth,
    pub health_checked_at: Option<DateTimeUtc>,
    pub health_error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}

// The tenant looks for room.
impl SharedWithTenants for Entity {}
