//! An operator signed in, in one browser.

use sea_orm::entity::prelude::*;

use super::states::SignInMethod;
use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "operator_session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub operator_id: Uuid,
    /// SHA-256 of the cookie.
    pub digest: Vec<u8>,
    pub method: SignInMethod,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
