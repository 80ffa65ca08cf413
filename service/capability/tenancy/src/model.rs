//! What follows from a tenant's status, and whose its issuer is. Pure.

use entity::tenancy::states::IdentityKind;
pub use entity::tenancy::status::Status;
use entity::tenancy::tenant;
use uuid::Uuid;
use web::{Code, Problem};

/// Refuses what only an active tenant may do.
///
/// # Errors
/// `tenant.suspended`, `tenant.not_active`.
pub(crate) fn require_active(status: Status) -> Result<(), Problem> {
    match status {
        Status::Active => Ok(()),
        Status::Suspended => Err(Problem::new(Code::TenantSuspended)),
        Status::Provisioning | Status::Deprovisioning | Status::Deleted | Status::Failed => {
            Err(Problem::new(Code::TenantNotActive).fact("status", status.as_str()))
        }
    }
}

/// Whose keys sign a tenant's tokens, and under which issuer: the tenant's own realm, or the platform's.
pub fn issuer_of(tenant: &tenant::Model, public_url: &str) -> (Option<Uuid>, String) {
    match tenant.identity_kind {
        IdentityKind::Realm => (Some(tenant.id), format!("{public_url}/realms/{}", tenant.slug)),
        IdentityKind::Org => (None, public_url.to_owned()),
    }
}
