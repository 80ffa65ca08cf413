//! Which tenant something belongs to, asked before a tenant is known.

use sea_orm::Value;

/// Which tenant something belongs to, asked before a tenant is known. Answered by narrow `SECURITY DEFINER` functions on Postgres,
/// `lookup_‹table›_‹key›`, which tell the tenant's id and nothing else. Each is made by the table's owner.
#[derive(Clone, Debug)]
pub struct Lookup {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    /// The column that names the tenant.
    pub(super) tenant: &'static str,
    /// A further condition.
    pub(super) and: &'static str,
    pub(super) value: Value,
}

impl Lookup {
    /// By the key of a table whose rows belong to a tenant.
    pub fn new(table: &'static str, key: &'static str, value: impl Into<Value>) -> Self {
        Self { table, key, tenant: "tenant_id", and: "", value: value.into() }
    }

    /// By a key of the tenant itself, unless it is deleted.
    pub fn of_tenant(key: &'static str, value: impl Into<Value>) -> Self {
        Self { table: "tenant", key, tenant: "id", and: " AND status <> 'deleted'", value: value.into() }
    }

    /// A tenant by its slug.
    pub fn slug(slug: &str) -> Self {
        Self::of_tenant("slug", slug)
    }
}
