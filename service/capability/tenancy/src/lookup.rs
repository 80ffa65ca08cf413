//! How a tenant is found by what others call it.

use platform::db::Lookup;

/// By its id at the identity backend.
pub fn by_external_id(id: &str) -> Lookup {
    Lookup::of_tenant("identity_external_id", id)
}

/// By the issuer of its own realm.
pub fn by_issuer(issuer: &str) -> Lookup {
    Lookup::of_tenant("identity_issuer", issuer)
}

/// By the alias of its identity provider at a shared realm.
pub fn by_idp_alias(alias: &str) -> Lookup {
    Lookup::of_tenant("identity_idp_alias", alias)
}

/// By its customer's id at the payment provider.
pub fn by_customer(id: &str) -> Lookup {
    Lookup::of_tenant("billing_customer", id)
}
