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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use entity::tenancy::states::{BillingState, Driver, IdentityBackend, Isolation, Mode};

    use super::*;

    fn tenant(identity_kind: IdentityKind) -> tenant::Model {
        tenant::Model {
            id: Uuid::from_u128(7),
            slug: "acme".to_owned(),
            name: "Acme".to_owned(),
            plan: "free".to_owned(),
            isolation: Isolation::Shared,
            region: None,
            status: Status::Active,
            identity_backend: IdentityBackend::Builtin,
            identity_kind,
            identity_external_id: None,
            instance_driver: Driver::Pool,
            instance_mode: Mode::Shared,
            instance_id: None,
            owner_email: None,
            owner_name: None,
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            suspended_at: None,
            deleted_at: None,
            dry_run_of: None,
            identity_issuer: None,
            identity_idp_alias: None,
            recycle_until: None,
            suspended_by: None,
            billing_state: BillingState::Full,
            billing_customer: None,
            identity_sequence: None,
        }
    }

    #[test]
    fn a_realm_signs_with_its_own_keys_and_an_organization_with_the_platforms() {
        for (kind, realm, issuer) in [
            (IdentityKind::Realm, Some(Uuid::from_u128(7)), "https://a.example/realms/acme"),
            (IdentityKind::Org, None, "https://a.example"),
        ] {
            assert_eq!(issuer_of(&tenant(kind), "https://a.example"), (realm, issuer.to_owned()));
        }
    }
}
