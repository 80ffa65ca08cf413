//! The link between an organization and its identity provider.

use sea_orm::entity::prelude::*;

use super::states::{ConnectionState, ConnectionType};
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connection")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_name = "type")]
    pub kind: ConnectionType,
    pub name: String,
    pub enabled: bool,
    /// OIDC's issuer, SAML's entity id of the provider, once known.
    pub issuer: Option<String>,
    /// OIDC's client id: with the issuer it finds the connection of an ID token.
    pub client_id: Option<String>,
    /// What the admin said.
    pub settings: Json,
    /// What the provider's metadata said, when it was asked last.
    pub provider: Option<Json>,
    pub provider_at: Option<DateTimeUtc>,
    /// Sealed.
    pub client_secret: Option<Vec<u8>>,
    /// As the admin said: identity providers let secrets expire.
    pub secret_expires_at: Option<DateTimeUtc>,
    /// Since when it is of this issuer and client id.
    pub claimed_at: Option<DateTimeUtc>,
    /// When its provider first answered a sign-in or a test that was begun here.
    pub proven_at: Option<DateTimeUtc>,
    /// The last test that went through.
    pub tested_at: Option<DateTimeUtc>,
    /// Days before an expiry at which it was announced last.
    pub warned_days: Option<i64>,
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
    /// Whether people come in by it, and whether its provider has answered yet.
    pub fn state(&self) -> ConnectionState {
        match (self.enabled, self.proven_at) {
            (true, None) => ConnectionState::Unproven,
            (true, Some(_)) => ConnectionState::Proven,
            (false, None) => ConnectionState::DisabledUnproven,
            (false, Some(_)) => ConnectionState::DisabledProven,
        }
    }

    /// The same connection, in this state.
    #[must_use]
    pub fn at(self, state: ConnectionState) -> Self {
        Self { enabled: state.is_enabled(), proven_at: self.proven_at.filter(|_| state.is_proven()), ..self }
    }
}
