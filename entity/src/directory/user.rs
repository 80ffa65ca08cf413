//! A person in an organization.

use policy_core::TenantRole;
use sea_orm::entity::prelude::*;

use super::states::{AddressProof, DeactivatedBy, RoleSource, Source, UserState, UserVerb};
use crate::by_name::ByName;
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_user")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_name: String,
    /// Case-folded: SQLite's lower() knows only ASCII.
    pub user_name_key: String,
    pub external_id: Option<String>,
    pub display_name: Option<String>,
    pub email: Option<String>,
    pub active: bool,
    pub role: ByName<TenantRole>,
    pub role_source: RoleSource,
    pub source: Source,
    /// What stood for the address when it was said at a sign-in or an invitation; NULL: the directory said it, or it was before.
    pub address_proof: Option<AddressProof>,
    /// The SCIM attributes, as sent.
    pub resource: Json,
    /// The same with names and texts folded: what is searched without case.
    pub folded: Json,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// Nobody while the user is active, and where it was not noted yet.
    pub deactivated_by: Option<DeactivatedBy>,
    /// What was given here, while the role is a sign-in's; NULL: none was.
    pub role_under: Option<ByName<TenantRole>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}

impl Model {
    /// Whether they may come in; if not, by whose word.
    pub fn state(&self) -> UserState {
        if self.active { UserState::Active } else { UserState::off(self.deactivated_by) }
    }

    /// Whether they may come in now, and go on.
    pub fn may_come(&self) -> bool {
        self.state().after(UserVerb::Come).is_some()
    }
}
