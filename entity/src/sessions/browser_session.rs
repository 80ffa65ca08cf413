//! A person signed in, in one browser.

use sea_orm::entity::prelude::*;

use super::states::Ended;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "browser_session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    /// SHA-256 of the cookie.
    pub digest: Vec<u8>,
    pub connection_id: Option<Uuid>,
    /// Who the identity provider says it is.
    pub subject: String,
    /// The session there: OIDC's sid, SAML's SessionIndex.
    pub upstream_sid: Option<String>,
    /// Sealed: what a logout there needs.
    pub upstream: Option<Vec<u8>>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub authenticated_at: DateTimeUtc,
    pub created_at: DateTimeUtc,
    pub last_seen_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub idle_seconds: Option<i64>,
    pub ended_at: Option<DateTimeUtc>,
    pub ended_reason: Option<Ended>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
