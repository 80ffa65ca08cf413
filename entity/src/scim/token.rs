//! An identity provider's bearer token for one organization.

use sea_orm::entity::prelude::*;

use super::states::{TokenKind, TokenProfile, TokenState};
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "scim_token")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub profile: TokenProfile,
    /// Argon2id, PHC string.
    pub secret_hash: String,
    /// HMAC of the secret under the lookup key; `None`: from before, until its first right use.
    pub secret_mac: Option<Vec<u8>>,
    pub created_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
    pub last_used_at: Option<DateTimeUtc>,
    /// Rotation: the token that follows this one.
    pub replaced_by: Option<Uuid>,
    pub kind: TokenKind,
    /// CIDR ranges; []: everywhere.
    pub allowed_addresses: Json,
    /// The client's public keys (RFC 7517), if it proves itself by them.
    pub jwks: Option<Json>,
    /// Whether its requests are answered but not applied.
    #[sea_orm(column_name = "rehearsal")]
    pub dry_run: bool,
    /// Days before its end at which its end was announced last.
    pub warned_days: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}

impl Model {
    /// Whether it counts at this moment.
    pub fn state(&self, now: DateTimeUtc) -> TokenState {
        TokenState::of(self.revoked_at, self.expires_at, self.replaced_by, now)
    }
}
