//! One event for one endpoint. Of the platform: operators see them, and events need not have a tenant.

use sea_orm::entity::prelude::*;

use super::states::DeliveryStatus;
use crate::scope::PlatformOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_delivery")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub endpoint_id: Uuid,
    pub event_id: Uuid,
    pub tenant_id: Option<Uuid>,
    #[sea_orm(column_name = "type", enum_name = "Type")]
    pub r#type: String,
    /// The event's.
    pub sequence: i64,
    pub status: DeliveryStatus,
    pub attempts: i64,
    pub next_attempt_at: DateTimeUtc,
    pub response_status: Option<i64>,
    pub last_error: Option<String>,
    /// Only a newer version of the service can read the event, as the last attempt found: it holds up no other.
    pub unreadable: bool,
    pub created_at: DateTimeUtc,
    pub delivered_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}
