//! An invitation by e-mail.

use policy_core::TenantRole;
use sea_orm::entity::prelude::*;

use super::states::{InvitationKind, InvitationStatus};
use crate::by_name::ByName;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invitation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: InvitationKind,
    pub email: String,
    pub email_key: String,
    pub role: ByName<TenantRole>,
    /// SHA-256 of 256 random bits.
    pub token_digest: Vec<u8>,
    pub status: InvitationStatus,
    pub message: Option<String>,
    pub inviter: String,
    pub locale: Option<String>,
    pub batch_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub accepted_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
