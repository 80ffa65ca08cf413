//! Who may come in, how, as what.

use policy_core::TenantRole;
use sea_orm::entity::prelude::*;

use super::states::PolicyState;
use crate::by_name::ByName;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sso_policy")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    /// The one that the organization's people use.
    pub connection_id: Option<Uuid>,
    pub enforced: bool,
    /// []: every domain.
    pub allowed_domains: Json,
    pub jit_provisioning: bool,
    pub default_role: ByName<TenantRole>,
    /// [{"group","role"}]: the first that fits.
    pub group_roles: Json,
    /// NULL: the service's.
    pub session_seconds: Option<i64>,
    pub idle_seconds: Option<i64>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}

impl Model {
    /// Whether people come in by the organization's connections only, and whether by one that is named.
    pub fn state(&self) -> PolicyState {
        match (self.enforced, self.connection_id) {
            (false, None) => PolicyState::Open,
            (false, Some(_)) => PolicyState::OpenNamed,
            (true, None) => PolicyState::Enforced,
            (true, Some(_)) => PolicyState::EnforcedNamed,
        }
    }
}
