//! What a session is about. Pure.

use policy_core::TenantRole;
use uuid::Uuid;

/// The person that a token is about, as it stands at the moment of minting.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The tenant.
    pub tenant: Uuid,
    /// The organization.
    pub organization: Uuid,
    /// The user.
    pub user: Uuid,
    /// The user's role in the tenant.
    pub role: TenantRole,
    /// The tenant's plan.
    pub plan: String,
    /// Whose keys sign: the tenant's realm, or `None`: the platform's issuer.
    pub realm: Option<Uuid>,
    /// The issuer's URL.
    pub issuer: String,
}
