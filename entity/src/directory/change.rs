//! What happened to a directory, with what was there before.

use sea_orm::entity::prelude::*;

use super::states::{ChangeAction, ChangeKind};
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_change")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub occurred_at: DateTimeUtc,
    pub request_id: Option<String>,
    pub actor_kind: String,
    pub actor_id: String,
    pub kind: ChangeKind,
    pub action: ChangeAction,
    /// The user or group; of a member or child: the group.
    pub subject_id: Uuid,
    /// The row as it was; of members and children: their ids.
    pub before: Option<Json>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
