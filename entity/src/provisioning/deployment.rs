//! What stands behind an instance at Azure.

use sea_orm::entity::prelude::*;

use super::states::{DeploymentStatus, DeploymentVerb};
use crate::scope::PlatformOwned;
use crate::tenancy::states::{Driver, Isolation};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deployment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub purpose: String,
    pub sku: Isolation,
    pub driver: Driver,
    pub region: String,
    pub resource_group: String,
    pub name: String,
    pub status: DeploymentStatus,
    pub operation: Option<Json>,
    pub outputs: Json,
    pub error: Option<String>,
    pub instance_id: Option<Uuid>,
    pub template_version: String,
    pub calls: Json,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}

impl Model {
    /// Takes it to where that leads; where it may not, it stays as it is: what is being removed can't fail any more.
    pub fn go(&mut self, verb: DeploymentVerb) {
        self.status = self.status.after(verb).unwrap_or(self.status);
    }
}
