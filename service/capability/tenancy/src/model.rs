//! Whose a tenant's issuer is. Pure.

use entity::tenancy::states::IdentityKind;
pub use entity::tenancy::status::{Asks, Status, Verb};
use entity::tenancy::tenant;
use uuid::Uuid;

/// Whose keys sign a tenant's tokens, and under which issuer: the tenant's own realm, or the platform's.
pub fn issuer_of(tenant: &tenant::Model, public_url: &str) -> (Option<Uuid>, String) {
    match tenant.identity_kind {
        IdentityKind::Realm => (Some(tenant.id), format!("{public_url}/realms/{}", tenant.slug)),
        IdentityKind::Org => (None, public_url.to_owned()),
    }
}
