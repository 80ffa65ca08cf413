//! A code that a module changes into tokens.

use sea_orm::entity::prelude::*;

use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "authorization_code")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Vec<u8>,
    pub organization_id: Uuid,
    pub user_id: Uuid,
    pub browser_session_id: Uuid,
    pub client_id: String,
    pub redirect_uri: String,
    /// S256.
    pub code_challenge: String,
    pub nonce: Option<String>,
    pub scope: String,
    pub audience: String,
    /// At which the module asked.
    pub issuer: String,
    /// Once it is used: a second use ends that session.
    pub session_id: Option<Uuid>,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub used_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
