//! A receiver of events.

use sea_orm::entity::prelude::*;

use super::states::{Algorithm, Format};
use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_endpoint")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub url: String,
    /// []: every type.
    pub event_types: Json,
    /// Sealed.
    pub secret: Vec<u8>,
    pub format: Format,
    pub disabled_at: Option<DateTimeUtc>,
    pub description: String,
    pub algorithm: Algorithm,
    /// Sealed; signs beside the new one until `previous_until`.
    pub previous_secret: Option<Vec<u8>>,
    pub previous_until: Option<DateTimeUtc>,
    /// Why the service itself disabled it.
    pub disabled_reason: Option<String>,
    /// In a row.
    pub failures: i64,
    pub failing_since: Option<DateTimeUtc>,
    /// Left alone until then.
    pub paused_until: Option<DateTimeUtc>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
