//! A mail, from the moment at which it is caused.

use sea_orm::entity::prelude::*;

use super::states::MailStatus;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_message")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Option<Uuid>,
    /// Organization, template, recipient, occasion.
    pub dedupe_key: String,
    pub template: String,
    pub locale: String,
    pub recipient: String,
    pub subject: String,
    /// Sealed.
    pub content: Vec<u8>,
    pub status: MailStatus,
    /// Why it failed, bounced or was suppressed.
    pub reason: Option<String>,
    pub created_at: DateTimeUtc,
    pub send_at: DateTimeUtc,
    pub sent_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
