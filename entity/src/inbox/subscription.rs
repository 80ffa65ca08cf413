//! What a tenant pays for, as the payment provider last said.

use sea_orm::entity::prelude::*;

use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "subscription")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub customer: Option<String>,
    /// Stripe's word, stored unchanged: what it means here is the configuration's `[billing] statuses`, and Stripe may add others.
    pub status: String,
    pub price: Option<String>,
    #[sea_orm(column_name = "told_at")]
    pub reported_at: DateTimeUtc,
    #[sea_orm(column_name = "told_by")]
    pub reported_by: String,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
