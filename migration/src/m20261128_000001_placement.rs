//! A shared instance takes as many tenants as it says, and nobody is placed on an instance that nobody registered.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

use crate::{postgres, run};

/// Every lookup that there is, with the type of its key and the column that it answers.
const LOOKUPS: [(&str, &str, &str, &str); 13] = [
    ("tenant", "slug", "text", "id"),
    ("tenant", "identity_external_id", "text", "id"),
    ("tenant", "identity_issuer", "text", "id"),
    ("tenant", "identity_idp_alias", "text", "id"),
    ("tenant", "billing_customer", "text", "id"),
    ("quota_reservation", "id", "uuid", "tenant_id"),
    ("scim_token", "id", "uuid", "tenant_id"),
    ("refresh_token", "digest", "bytea", "tenant_id"),
    ("invitation", "token_digest", "bytea", "tenant_id"),
    ("connection", "id", "uuid", "tenant_id"),
    ("domain", "verified_name", "text", "tenant_id"),
    ("browser_session", "digest", "bytea", "tenant_id"),
    ("authorization_code", "digest", "bytea", "tenant_id"),
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bounds = match manager.get_database_backend() {
            DbBackend::Sqlite => include_str!("sql/m20261128_000001_placement_sqlite.sql"),
            _ => include_str!("sql/m20261128_000001_placement_postgres.sql"),
        };
        run(manager, bounds).await?;
        run(manager, include_str!("sql/m20261128_000001_placement.sql")).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            for (table, key, key_type, tenant) in LOOKUPS {
                postgres::plan_lookup_once(manager, table, key, key_type, tenant).await?;
            }
        }
        Ok(())
    }
}
