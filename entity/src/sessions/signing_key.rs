//! A key that signs tokens of one issuer.

use sea_orm::entity::prelude::*;

use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// NULL: the platform's issuer.
    pub tenant_id: Option<Uuid>,
    /// RFC 7638 thumbprint.
    pub kid: String,
    pub algorithm: String,
    pub public_jwk: Json,
    /// PKCS#8, sealed.
    pub private_key: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub activates_at: DateTimeUtc,
    pub retires_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
