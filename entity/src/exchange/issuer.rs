//! An upstream issuer whose tokens the exchange takes.

use sea_orm::entity::prelude::*;

use super::states::ResolveBy;
use crate::scope::PlatformOwned;

/// The claim by which Zitadel's tokens name a person's org: an issuer that is registered with it is Zitadel's.
pub const ZITADEL_ORG: &str = "urn:zitadel:iam:user:resourceowner:id";

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "issuer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub issuer: String,
    pub audience: String,
    pub tenant_claim: String,
    pub jwks_uri: Option<String>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub resolve_by: ResolveBy,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
