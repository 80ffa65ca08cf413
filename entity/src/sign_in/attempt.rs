//! One attempt to sign in, with its steps.

use sea_orm::entity::prelude::*;

use super::states::{Purpose, SignInStatus};
use crate::scope::TenantOwned;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_in")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    pub organization_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub connection_id: Uuid,
    /// What the user's error page shows.
    pub code: String,
    pub purpose: Purpose,
    pub status: SignInStatus,
    /// SHA-256 of what comes back: OIDC's state, SAML's request ID.
    pub state_digest: Vec<u8>,
    /// SHA-256 of the cookie of the browser that began.
    pub browser_digest: Vec<u8>,
    /// Sealed: nonce, PKCE verifier, proof.
    pub secrets: Vec<u8>,
    /// SHA-256 of the token of an invitation, with which whoever was invited was sent here.
    pub invitation_digest: Option<Vec<u8>>,
    /// Where to go afterwards.
    pub continues: Json,
    pub steps: Json,
    pub reason: Option<String>,
    pub user_id: Option<Uuid>,
    pub proof_attempts: i64,
    pub request_id: Option<String>,
    pub ip_address: Option<String>,
    pub started_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub finished_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;
}
