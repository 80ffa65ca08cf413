//! Somebody of the platform's staff.

use sea_orm::entity::prelude::*;

use super::states::OperatorRole;
use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "operator")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub role: OperatorRole,
    /// SHA-256 of the one-time link that lets a passkey be made.
    pub enrollment_digest: Option<Vec<u8>>,
    pub enrollment_expires_at: Option<DateTimeUtc>,
    /// Digests of those that are left.
    pub recovery_codes: Json,
    /// Argon2id, as a PHC string; counts only where `sso.operator_passwords` is on.
    pub password_hash: Option<String>,
    /// Wrong passwords in a row.
    pub password_failures: i64,
    pub disabled_at: Option<DateTimeUtc>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
