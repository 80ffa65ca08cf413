//! A bearer key of the management or internal API.

use policy_core::Role;
use sea_orm::entity::prelude::*;

use crate::by_name::ByName;
use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "management_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// NULL: a platform key.
    pub tenant_id: Option<Uuid>,
    pub name: String,
    pub role: ByName<Role>,
    /// Argon2id, PHC string.
    pub secret_hash: String,
    /// HMAC of the secret under the lookup key; `None`: from before, until its first right use.
    pub secret_mac: Option<Vec<u8>>,
    pub created_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
    pub last_used_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
