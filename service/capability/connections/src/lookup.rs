//! Whose a connection or a proven domain is.

use platform::db::Lookup;
use uuid::Uuid;

/// A connection to an identity provider by its id.
pub fn by_connection(id: Uuid) -> Lookup {
    Lookup::new("connection", "id", id)
}

/// An e-mail domain that a tenant has proven to be its own.
pub fn by_domain(name: &str) -> Lookup {
    Lookup::new("domain", "verified_name", name)
}
