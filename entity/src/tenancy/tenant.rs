//! A customer, and the isolation boundary.

use sea_orm::entity::prelude::*;

use super::states::{BillingState, Driver, IdentityBackend, IdentityKind, Isolation, Mode, SuspendedBy};
use super::status::Status;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub plan: String,
    pub isolation: Isolation,
    pub region: Option<String>,
    pub status: Status,
    pub identity_backend: IdentityBackend,
    pub identity_kind: IdentityKind,
    pub identity_external_id: Option<String>,
    pub instance_driver: Driver,
    pub instance_mode: Mode,
    pub instance_id: Option<Uuid>,
    pub owner_email: Option<String>,
    pub owner_name: Option<String>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub suspended_at: Option<DateTimeUtc>,
    pub deleted_at: Option<DateTimeUtc>,
    /// A hidden tenant that holds the copy on which a token of this one makes its dry run.
    #[sea_orm(column_name = "rehearses")]
    pub dry_run_of: Option<Uuid>,
    /// As the backend's discovery says.
    pub identity_issuer: Option<String>,
    pub identity_idp_alias: Option<String>,
    /// Until then a deletion can be taken back.
    pub recycle_until: Option<DateTimeUtc>,
    pub suspended_by: Option<SuspendedBy>,
    pub billing_state: BillingState,
    pub billing_customer: Option<String>,
    /// The identity backend's last event about this tenant that was applied.
    pub identity_sequence: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::Id;
}
