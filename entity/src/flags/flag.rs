//! A feature flag's definition.

use flags_core::Kind;
use sea_orm::entity::prelude::*;

use crate::by_name::ByName;
use crate::scope::{PlatformOwned, SharedWithTenants};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "flag")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    #[sea_orm(column_name = "type", enum_name = "Type")]
    pub r#type: ByName<Kind>,
    pub variants: Json,
    pub default_variant: String,
    pub rules: Json,
    /// NULL: every plan.
    pub plans: Option<Json>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// The kill switch.
    pub enabled: bool,
    pub prerequisites: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}

// The tenant's variants are of a flag that is defined.
impl SharedWithTenants for Entity {}
