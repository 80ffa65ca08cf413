//! An e-mail domain that an organization says is its own, and may have proven.

use sea_orm::entity::prelude::*;

use super::states::DomainState;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "domain")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Lower case, A-labels.
    pub name: String,
    /// What the TXT record must say.
    pub token: String,
    /// The name once it is proven: one tenant at most holds it.
    pub verified_name: Option<String>,
    pub verified_at: Option<DateTimeUtc>,
    pub checked_at: Option<DateTimeUtc>,
    pub check_error: Option<String>,
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

impl Model {
    /// Whether it is proven.
    pub fn state(&self) -> DomainState {
        if self.verified_at.is_some() { DomainState::Verified } else { DomainState::Pending }
    }
}
