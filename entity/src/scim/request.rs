//! What an identity provider sent and got.

use sea_orm::entity::prelude::*;

use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "scim_request")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub occurred_at: DateTimeUtc,
    pub token_id: Uuid,
    pub request_id: Option<String>,
    pub method: String,
    /// With the query.
    pub path: String,
    pub status: i64,
    pub scim_type: Option<String>,
    pub detail: Option<String>,
    pub duration_micros: i64,
    /// Redacted, cut.
    pub request_body: Option<String>,
    /// Redacted, cut.
    pub response_body: Option<String>,
    /// Whether the request's body is whole, so that it can be replayed.
    pub whole: bool,
    #[sea_orm(column_name = "rehearsal")]
    pub dry_run: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
