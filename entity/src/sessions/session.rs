//! A person's session with a client.

use sea_orm::entity::prelude::*;

use super::states::{Ended, SessionState};
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    /// Who vouched for the person.
    pub issuer: String,
    pub client_id: String,
    pub audience: String,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
    pub ended_reason: Option<Ended>,
    /// The browser's session that it belongs to, if a browser asked.
    pub browser_session_id: Option<Uuid>,
    /// The issuer at which a browser's sign-in began; NULL: the tenant's own.
    pub token_issuer: Option<String>,
    pub scope: String,
    /// When the person proved who they are; NULL: when the session began.
    pub authenticated_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}

impl Model {
    /// Whether it goes on at this moment.
    pub fn state(&self, now: DateTimeUtc) -> SessionState {
        match self.ended_at {
            Some(_) => SessionState::Ended,
            None if self.expires_at <= now => SessionState::Over,
            None => SessionState::Live,
        }
    }
}
